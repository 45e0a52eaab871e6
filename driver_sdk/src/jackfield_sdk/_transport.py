"""Addresses, sockets, credentials and channel options, the same for drivers and agents.

A peer that was stopped rather than killed keeps its socket open and answers nothing. gRPC notices
that within seconds only if pings are sent *and* `grpc.http2.ping_timeout_ms` is set; the
keepalive options alone take about a minute.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import grpc
import grpc.aio

from jackfield_sdk._certificates import Certificates, Unusable
from jackfield_sdk.settings import AgentSettings, ServerSettings

MAX_MESSAGE_BYTES = 16 * 1024 * 1024

# Linux keeps 108 bytes of the path of a Unix socket, with the NUL behind it.
LONGEST_SOCKET_PATH = 107

Options = list[tuple[str, int | str]]


class CannotListen(Exception):
    """The address cannot be served on: which one, and why."""


def server_options() -> Options:
    """Return the options of a driver's server, which lets the core ping it often."""
    return [
        *_common_options(keepalive_seconds=20),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
        ("grpc.so_reuseport", 0),
    ]


def channel_options(*, keepalive_seconds: int) -> Options:
    """Return the options of a channel to a peer that is pinged every so many seconds."""
    return [
        *_common_options(keepalive_seconds=keepalive_seconds),
        # Over a Unix socket the path would become the authority, which HTTP/2 does not allow.
        ("grpc.default_authority", "localhost"),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.enable_retries", 0),
    ]


def listen(server: grpc.aio.Server, address: str, settings: ServerSettings) -> str:
    """Bind the server and return its address, with the port that was chosen for port 0.

    A Unix socket is open to its owner and group (0660); a stale one is removed, one that is
    served raises CannotListen.
    """
    if address.startswith("unix:"):
        return _listen_on_socket(server, address)
    _expect_free(address)
    try:
        if settings.tls_certificate is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, Certificates(settings).credentials())
    except RuntimeError as error:
        raise CannotListen(f"cannot listen on {address}") from error
    except (Unusable, OSError) as error:
        raise CannotListen(f"cannot serve TLS: {error}") from error
    return f"{address.rpartition(':')[0]}:{port}"


def _expect_free(address: str) -> None:
    # gRPC says why an address cannot be had only in its log, and takes port 99999 for 34463.
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and int(port) < 1 << 16):
        raise CannotListen(f'cannot listen on {address}: it is neither "unix:///path" nor host:port')
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        raise CannotListen(f"cannot listen on {address}: {error.strerror}") from error
    problems = [_problem(family, place) for family, _, _, _, place in found]
    # A name may stand for an IPv6 address as well, on a host that has none.
    if all(problems):
        raise CannotListen(f"cannot listen on {address}: {problems[0]}")


def _problem(family: int, place: tuple[object, ...]) -> str:
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        return error.strerror or str(error)
    return ""


class SocketFile:
    """The file of a Unix socket that this process serves on; nothing for an address over TCP."""

    def __init__(self, address: str) -> None:
        """Remember which file it is, because the next process may put its own in the same place."""
        self._path = socket_path(address) if address.startswith("unix:") else None
        self._number = self._present()

    def remove(self) -> None:
        """Remove the file if it is still this process's."""
        if self._path is not None and self._number is not None and self._present() == self._number:
            self._path.unlink(missing_ok=True)

    def _present(self) -> int | None:
        try:
            return self._path.stat().st_ino if self._path is not None else None
        except FileNotFoundError:
            return None


def socket_path(address: str) -> Path:
    """Return the path of `unix:///path`, `unix:/path` or `unix:path`."""
    path = address.removeprefix("unix:")
    return Path(path.removeprefix("//") if path.startswith("//") else path)


def connect(settings: AgentSettings) -> grpc.aio.Channel:
    """Open a channel to the core, with TLS if there is an authority to trust."""
    options = channel_options(keepalive_seconds=10)
    if settings.tls_ca is None:
        return grpc.aio.insecure_channel(settings.core, options=options)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=settings.tls_ca.read_bytes(),
        private_key=settings.tls_key.read_bytes() if settings.tls_key else None,
        certificate_chain=settings.tls_certificate.read_bytes() if settings.tls_certificate else None,
    )
    # The certificate names the host, not "localhost".
    options = [option for option in options if option[0] != "grpc.default_authority"]
    if settings.tls_server_name:
        options.append(("grpc.ssl_target_name_override", settings.tls_server_name))
    return grpc.aio.secure_channel(settings.core, credentials, options=options)


def _common_options(*, keepalive_seconds: int) -> Options:
    return [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", keepalive_seconds * 1_000),
        ("grpc.http2.ping_timeout_ms", 5_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]


def _listen_on_socket(server: grpc.aio.Server, address: str) -> str:
    path = socket_path(address)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(path)
    except OSError as error:
        raise CannotListen(f"cannot listen on {path}: {error.strerror}") from error
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        raise CannotListen(f"cannot listen on {path}: the path has more than {LONGEST_SOCKET_PATH} bytes")
    try:
        _with_umask(0o117, lambda: server.add_insecure_port(f"unix:{path}"))
    except RuntimeError as error:
        raise CannotListen(f"cannot listen on {path}: is its folder writable?") from error
    return f"unix:{path}"


def _with_umask(mask: int, bind: Callable[[], object]) -> None:
    # The mode has to be right from the first moment, so a chmod afterwards would be too late.
    before = os.umask(mask)
    try:
        bind()
    finally:
        os.umask(before)


def _remove_stale(path: Path) -> None:
    # gRPC would remove the file of a running server as well, and leave that one deaf.
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise CannotListen(f"{path} exists and is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    raise CannotListen(f"another process serves on {path}")
