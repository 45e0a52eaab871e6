"""Certificates for TLS, made where a test needs them: an authority, and who it has signed.

    authority = Authority(tmp_path)
    driver = authority.certify("driver", names=["localhost"])
    # driver.certificate, driver.key and authority.file are files in PEM format

Keys are on the curve P-256, which takes a millisecond to make.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, in one file each."""

    certificate: Path
    key: Path

    def replace(self, other: "Identity") -> None:
        """Put the files of *other* into the place of these, each at once, as tools that renew certificates do."""
        _put(self.key, other.key.read_bytes())
        _put(self.certificate, other.certificate.read_bytes())


class Authority:
    """Signs certificates; its own is in :attr:`file`."""

    def __init__(self, folder: Path, name: str = "authority", *, valid_for: timedelta = DAY) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        own = _draft(self._name, self._key, valid_for).issuer_name(self._name)
        self._certificate = own.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(
            self._key, hashes.SHA256()
        )
        self.file = folder / f"{name}.pem"
        _put(self.file, self._certificate.public_bytes(Encoding.PEM))

    def certify(
        self,
        name: str,
        names: Sequence[str] = ("localhost", "127.0.0.1"),
        *,
        valid_for: timedelta = DAY,
        password: str = "",
        usage: x509.ObjectIdentifier | None = None,
    ) -> Identity:
        """Return a certificate for the common name *name* and the DNS names and IP addresses *names*.

        It ends *valid_for* from now, which may be in the past. A *password* protects its key. With *usage*,
        one of `x509.ExtendedKeyUsageOID`, it is for one side only.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        draft = _draft(_named(name), key, valid_for).issuer_name(self._name)
        if names:
            draft = draft.add_extension(x509.SubjectAlternativeName([_alternative(one) for one in names]), False)
        if usage:
            draft = draft.add_extension(x509.ExtendedKeyUsage([usage]), False)
        identity = Identity(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        protection = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        _put(identity.key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))
        _put(identity.certificate, draft.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))
        return identity

    def replace(self, other: "Authority") -> None:
        """Put the certificate of *other* into the place of this one, which then vouches for nobody any more."""
        _put(self.file, other.file.read_bytes())


def _draft(subject: x509.Name, key: ec.EllipticCurvePrivateKey, valid_for: timedelta) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 30 * DAY)
        .not_valid_after(now + valid_for)
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _put(path: Path, data: bytes) -> None:
    draft = path.with_name(f"{path.name}.new")
    draft.write_bytes(data)
    os.replace(draft, path)
