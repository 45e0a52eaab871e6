"""Who agents are shown that the core is, and who they are themselves, by certificates.

The files are looked at for every new connection, so a certificate is replaced
without a restart, and streams that are open stay. Key and certificate are two
files, which for a moment may not belong together: then the last pair that did
goes on being shown.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import grpc
import structlog

from jackfield_core import certificates
from jackfield_core.errors import Forbidden
from jackfield_core.setting import Tls

log = structlog.get_logger()

_Stamp = tuple[tuple[int, int, int], ...]


def expect_host(host: str, peer: Mapping[str, Iterable[bytes]]) -> None:
    """See that the certificate of *peer*, which gRPC describes, names *host*.

    It names the DNS names among its alternative names, and its common name only
    if there are none (RFC 9525 has no common names any more; small authorities do).

    Raises:
        Forbidden: The agent speaks for a host that its certificate does not name; the text names both.
    """
    names = [*peer.get("peer_dns", ())] or [*peer.get("x509_common_name", ())]
    told = [name.decode(errors="replace") for name in names]
    if host.lower() not in {name.lower() for name in told}:
        shown = ", ".join(f'"{name}"' for name in told) or "no host"
        raise Forbidden(f'hello.host is "{host}", and the certificate of the agent names {shown}')


class Credentials:
    """What agents are shown, and known by: the files of *tls*, as they are when somebody connects."""

    def __init__(self, tls: Tls) -> None:
        """Read the files.

        Raises:
            OSError: One cannot be read, or they do not belong together; the text names it.
        """
        self._tls = tls
        self._stamp, self._current = self._read()

    def for_server(self) -> grpc.ServerCredentials:
        """Return credentials that follow the files."""
        # None says that nothing has changed, which the type stubs do not know.
        newer: Callable[[], Any] = self._newer
        return grpc.dynamic_ssl_server_credentials(
            self._current, newer, require_client_authentication=self._tls.ca is not None
        )

    def _newer(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what the files hold if they have changed; called by gRPC for every new connection."""
        try:
            if self._stamps() == self._stamp:
                return None
            self._stamp, self._current = self._read()
        except OSError as error:
            log.warning("nodes.certificate_unusable", reason=str(error))
            return None
        log.info("nodes.certificate_replaced", certificate=str(self._tls.certificate))
        return self._current

    def _read(self) -> tuple[_Stamp, grpc.ServerCertificateConfiguration]:
        before = self._stamps()
        if wrong := certificates.unusable(self._tls):
            raise OSError("; ".join(wrong))
        ca, key, chain = [path.read_bytes() if path else b"" for path in _files(self._tls)]
        if self._stamps() != before:
            raise OSError(f'"{self._tls.certificate}" is being replaced')
        for sentence in certificates.invalid(self._tls):
            log.error("nodes.certificate_invalid", reason=sentence)
        return before, grpc.ssl_server_certificate_configuration([(key, chain)], ca or None)

    def _stamps(self) -> _Stamp:
        return tuple(_stamp(path) for path in _files(self._tls) if path)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0, 0
    return status.st_mtime_ns, status.st_ino, status.st_size


def _files(tls: Tls) -> tuple[Path | None, Path | None, Path | None]:
    return tls.ca, tls.key, tls.certificate
