"""Where a driver is reached, and with whose certificates."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio

from jackfield_sdk._transport import MAX_MESSAGE_BYTES, channel_options, socket_path

# A certificate names a host, and gRPC has to compare it with the address.
_AUTHORITY = "grpc.default_authority"

# How gRPC names an address that is more than host and port (gRPC, doc/naming.md).
_SCHEMES = ("unix:", "unix-abstract:", "dns:", "ipv4:", "ipv6:", "vsock:")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address, unix:///path or host:port; `credentials` turn TLS on."""

    address: str
    credentials: grpc.ChannelCredentials | None = None

    def open(self, max_message_bytes: int = MAX_MESSAGE_BYTES) -> grpc.aio.Channel:
        """Open a channel that shares its connection with no other, and sends messages of that size."""
        options = [
            # Every call has a deadline; a ping would cost a driver that is held up its connection.
            *channel_options(keepalive_seconds=3600),
            ("grpc.max_send_message_length", max_message_bytes),
            ("grpc.use_local_subchannel_pool", 1),
            # A driver that was restarted is found again at once. The first of these is, against
            # its name, how long an attempt may take: a busy driver needs time to say hello.
            ("grpc.min_reconnect_backoff_ms", 5_000),
            ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.max_reconnect_backoff_ms", 200),
        ]
        if self.credentials is None:
            return grpc.aio.insecure_channel(self.address, options=options)
        without_authority = [option for option in options if option[0] != _AUTHORITY]
        return grpc.aio.secure_channel(self.address, self.credentials, options=without_authority)


def with_certificates(address: str, ca: str, certificate: str, key: str) -> Endpoint:
    """Read the PEM files; without an authority there is no TLS.

    OSError if one cannot be read, ValueError if the address is none, or what goes with a file is missing.
    """
    if fault := fault_in(address):
        raise ValueError(fault)
    if bool(key) != bool(certificate):
        told, missing = ("--tls-key", "--tls-certificate") if key else ("--tls-certificate", "--tls-key")
        raise ValueError(f"{told} needs {missing}")
    if certificate and not ca:
        raise ValueError("--tls-certificate needs --tls-ca, without which there is no TLS")
    if not ca:
        return Endpoint(address)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=Path(ca).read_bytes(),
        private_key=Path(key).read_bytes() if key else None,
        certificate_chain=Path(certificate).read_bytes() if certificate else None,
    )
    return Endpoint(address, credentials)


def is_served(address: str) -> bool:
    """Tell whether somebody listens at an address; what is no socket that we know is taken for free."""
    host, _, port = address.rpartition(":")
    try:
        if host == "unix":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(socket_path(address)))
        else:
            socket.create_connection((host.strip("[]"), int(port)), timeout=1.0).close()
    except (OSError, ValueError):
        return False
    return True


def fault_in(address: str) -> str:
    """Tell what is wrong with an address, and how it may have been meant; nothing if it is one."""
    if address.startswith(_SCHEMES):
        return ""
    if "/" in address or address.endswith(".sock"):
        return f"--endpoint {address} looks like a path; write unix://{Path(address).absolute()}"
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return f"--endpoint {address} is neither unix:///path nor host:port"
    return ""
