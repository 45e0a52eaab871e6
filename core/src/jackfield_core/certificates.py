"""Looks at files for TLS, and says in words what keeps them from being used, or what is unwise about them.

A side that cannot prove itself is told so by nobody: the other one hangs up. So
the files are looked at here, before anybody dials when an operator asks for it
(``jackfield check-config``), and afterwards when a connection has failed.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from jackfield_core import config
from jackfield_core.setting import Tls, is_local


class _Unusable(OSError):
    """Raised with what is wrong with a file."""


def problems(tls: Tls) -> list[str]:
    """Return what keeps the files from proving anything, each beginning with the name of the setting."""
    return unusable(tls) or invalid(tls)


def unusable(tls: Tls) -> list[str]:
    """Return what keeps the files from being used at all: not there, not what they should be, or not a pair."""
    found: list[str] = []
    chain: list[x509.Certificate] = []
    key = None
    try:
        if tls.ca:
            _certificates("tls_ca", tls.ca)
    except _Unusable as error:
        found.append(str(error))
    try:
        chain = _certificates("tls_certificate", tls.certificate) if tls.certificate else []
        key = _private_key(tls.key) if tls.key else None
    except _Unusable as error:
        found.append(str(error))
    if key and chain and not _is_key_of(chain[0], key):
        found.append(f'tls_key: "{tls.key}" is not the key of the certificate in "{tls.certificate}"')
    return found


def invalid(tls: Tls) -> list[str]:
    """Return why certificates of usable files prove nothing now; of several authorities one has to be valid."""
    found: list[str] = []
    for setting, path in _chain_files(tls).items():
        # A chain begins with the certificate of the one who shows it (RFC 8446, section 4.4.2).
        chain = _certificates(setting, path)
        said = [sentence for certificate in chain if (sentence := _out_of_date(certificate))]
        if setting != "tls_ca" or len(said) == len(chain):
            found += [f'{setting}: "{path}" {sentence}' for sentence in said]
        if setting == "tls_certificate" and not _is_for(chain[0], is_server=tls.is_server):
            side = "servers" if tls.is_server else "clients"
            found.append(f'{setting}: "{path}" is not for {side}: its extended key usage does not name them')
    return found


def problems_of_settings(settings: config.Settings) -> list[str]:
    """Return what keeps the files that *settings* name from being used, and where they are named."""
    return [f"{place}: {problem}" for place, tls in _sections(settings) if tls for problem in problems(tls)]


def warnings_of_settings(settings: config.Settings) -> list[str]:
    """Return where *settings* let others on the network read or say what is not for them."""
    calls = [
        f'driver "{driver.name}" is called at {address} without TLS: whoever is on the way reads and changes all of it'
        for driver in settings.drivers
        for address in driver.addresses
        if not driver.tls and not is_local(address)
    ]
    danger = _danger_of_strangers(settings.nodes) if "nodes" in settings.roles else ""
    return [*calls, f"nodes.listen is {settings.nodes.listen}{danger}"] if danger else calls


def _danger_of_strangers(nodes: config.Nodes) -> str:
    """Return who can say that he is the agent of a host, if not only that host can."""
    if is_local(nodes.listen):
        return ""
    if not nodes.tls:
        return " without TLS: everybody there can be any host's agent"
    if not nodes.tls_ca:
        return " without tls_ca: everybody there can be any host's agent"
    if not nodes.tls_verify_host:
        return " and tls_verify_host is off: whoever has a certificate of tls_ca can be any host's agent"
    return ""


def _sections(settings: config.Settings) -> Iterator[tuple[str, Tls | None]]:
    if "nodes" in settings.roles:
        yield "nodes", settings.nodes.tls
    for driver in settings.drivers:
        yield f'driver "{driver.name}"', driver.tls


def _chain_files(tls: Tls) -> dict[str, Path]:
    files = {"tls_ca": tls.ca, "tls_certificate": tls.certificate}
    return {setting: path for setting, path in files.items() if path}


def _certificates(setting: str, path: Path) -> list[x509.Certificate]:
    data = _read(setting, path)
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        raise _Unusable(f'{setting}: "{path}" holds no certificate in PEM format') from None


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise _Unusable(f'{setting}: there is no file "{path}"') from None
    except OSError as error:
        raise _Unusable(f'{setting}: "{path}" cannot be read: {error.strerror}') from None


def _out_of_date(certificate: x509.Certificate) -> str:
    now = datetime.now(UTC)
    if certificate.not_valid_after_utc < now:
        return f"expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    if certificate.not_valid_before_utc > now:
        return f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
    return ""


def _is_for(certificate: x509.Certificate, *, is_server: bool) -> bool:
    """Return whether it may be shown by this side (RFC 5280, section 4.2.1.12); one that says nothing is for both."""
    wanted = ExtendedKeyUsageOID.SERVER_AUTH if is_server else ExtendedKeyUsageOID.CLIENT_AUTH
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return True
    return wanted in usages or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages


def _is_key_of(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    try:
        return certificate.public_key() == key.public_key()
    except UnsupportedAlgorithm:
        return True  # whoever uses them will find out


def _private_key(path: Path) -> PrivateKeyTypes:
    data = _read("tls_key", path)
    try:
        return load_pem_private_key(data, password=None)
    except TypeError:
        raise _Unusable(f'tls_key: "{path}" needs a password, and nobody is there to type it') from None
    except (ValueError, UnsupportedAlgorithm):
        raise _Unusable(f'tls_key: "{path}" holds no private key in PEM format') from None
