"""The server's certificate, as it is on disk at the moment somebody connects.

Certificates are short-lived and their files are replaced while the driver runs. Every new
connection looks at the files; those that are open stay. Key and certificate are two files, so for a
moment they may not belong together: then the last pair that did goes on being used.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import grpc
import structlog

from jackfield_sdk.settings import ServerSettings

log = structlog.get_logger("jackfield_sdk")

_Stamp = tuple[tuple[int, int, int], ...]


class Unusable(Exception):
    """The files hold no certificate that can be served with: which, and why."""


class Certificates:
    """The files that the settings name."""

    def __init__(self, settings: ServerSettings) -> None:
        """Read the files; Unusable if they do not belong together."""
        assert settings.tls_certificate is not None
        assert settings.tls_key is not None
        self._certificate = settings.tls_certificate
        self._key = settings.tls_key
        self._authority = settings.tls_ca
        self._stamp, self._current = self._read()

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials that follow the files."""
        # None says that nothing has changed; the type stubs do not know that.
        newer: Callable[[], grpc.ServerCertificateConfiguration] = self._newer  # type: ignore[assignment]
        return grpc.dynamic_ssl_server_credentials(
            self._current, newer, require_client_authentication=self._authority is not None
        )

    def _newer(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what is on disk if that has changed; called by gRPC for every new connection."""
        try:
            if self._stamps() == self._stamp:
                return None
            self._stamp, self._current = self._read()
        except (Unusable, OSError) as error:
            log.warning("certificate.unusable", certificate=str(self._certificate), reason=str(error))
            return None
        log.info("certificate.reloaded", certificate=str(self._certificate))
        return self._current

    def _read(self) -> tuple[_Stamp, grpc.ServerCertificateConfiguration]:
        before = self._stamps()
        pair = (self._key.read_bytes(), self._certificate.read_bytes())
        authority = self._authority.read_bytes() if self._authority else None
        try:
            # A password is no answer to any key, but without one OpenSSL would ask the terminal.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._certificate, self._key, password="")
        except ssl.SSLError as error:
            raise Unusable(f"{self._certificate} and {self._key}: {error.reason or 'unreadable'}") from None
        if self._stamps() != before:
            raise Unusable(f"{self._certificate} is being replaced")
        return before, grpc.ssl_server_certificate_configuration([pair], root_certificates=authority)

    def _stamps(self) -> _Stamp:
        files: list[Path] = [each for each in (self._certificate, self._key, self._authority) if each]
        statuses = [each.stat() for each in files]
        return tuple((status.st_mtime_ns, status.st_ino, status.st_size) for status in statuses)
