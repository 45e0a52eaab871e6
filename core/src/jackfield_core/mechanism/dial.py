"""How a process of a driver is dialled: over a Unix socket or TCP, and with TLS if the settings say so.

The files for TLS are read anew for every channel, and every introduction has a
channel of its own. So whoever replaces certificates has nothing to restart.
"""

from typing import Any

import grpc
import grpc.aio

from jackfield_core.mechanism.answers import NoVerdict
from jackfield_core.setting import Tls

MAX_MESSAGE_BYTES = 16 << 20
"""Largest message in either direction."""


def open_channel(name: str, endpoint: str, tls: Tls | None) -> grpc.aio.Channel:
    """Return a channel to the driver called *name*; it connects with the first call.

    Raises:
        NoVerdict: A file for TLS cannot be read.
    """
    options = _options(endpoint)
    if tls is None:
        return grpc.aio.insecure_channel(endpoint, options=options)
    if tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    return grpc.aio.secure_channel(endpoint, _credentials(name, tls), options=options)


def _credentials(name: str, tls: Tls) -> grpc.ChannelCredentials:
    try:
        ca, key, certificate = [path.read_bytes() if path else None for path in (tls.ca, tls.key, tls.certificate)]
    except OSError as error:
        raise NoVerdict(name, f'"{error.filename}" cannot be read: {error.strerror}', attempted=False) from None
    return grpc.ssl_channel_credentials(ca, key, certificate)


def _options(endpoint: str) -> list[tuple[str, Any]]:
    options: list[tuple[str, Any]] = [
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        # Without it a stopped peer is noticed after a minute, whatever keepalive says.
        ("grpc.http2.ping_timeout_ms", 5_000),
        ("grpc.http2.max_pings_without_data", 0),
        # A channel of its own has a connection of its own; otherwise the library
        # shares connections between channels to the same address.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.min_reconnect_backoff_ms", 2_000),
        ("grpc.enable_http_proxy", 0),
    ]
    if endpoint.startswith("unix:"):
        # By default the path itself is sent as authority, percent-encoded, and
        # servers in other languages reset such a stream.
        options.append(("grpc.default_authority", "localhost"))
    return options
