"""Settings for TLS: what they refuse, and what `check-config` finds out about the files that they name."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pydantic
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from jackfield_core import certificates, config
from jackfield_core.cli import cli
from jackfield_core.setting import Tls
from support.certificates import Authority
from typer.testing import CliRunner

YESTERDAY = timedelta(days=-1)
TCP = {"name": "fabric", "endpoint": "192.0.2.1:5000"}
WRONG_DRIVERS = {
    "tls_certificate and tls_key belong together": {"tls_ca": "ca.pem", "tls_certificate": "core.pem"},
    'driver "fabric" needs tls_ca': {"tls_certificate": "core.pem", "tls_key": "core.key"},
    'driver "fabric" needs tls_ca, the authority': {"tls_server_name": "fabric.example"},
    'driver "fabric" has a Unix socket': {"endpoint": "unix:///run/fabric.sock", "tls_ca": "ca.pem"},
}
WRONG_NODES = {
    "tls_certificate and tls_key belong together": {"tls_certificate": "core.pem"},
    "tls_ca needs tls_certificate and tls_key": {"tls_ca": "ca.pem"},
    "a Unix socket is guarded": {
        "listen": "unix:///run/nodes.sock",
        "tls_certificate": "core.pem",
        "tls_key": "core.key",
    },
}


@pytest.mark.parametrize(("sentence", "settings"), WRONG_DRIVERS.items())
def test_driver_with_half_of_tls_is_refused(sentence: str, settings: dict[str, str]) -> None:
    """What belongs together is set together, and not for a socket that nobody else can reach."""
    with pytest.raises(pydantic.ValidationError, match=sentence):
        config.Driver(**{**TCP, **settings})


@pytest.mark.parametrize(("sentence", "settings"), WRONG_NODES.items())
def test_node_service_with_half_of_tls_is_refused(sentence: str, settings: dict[str, str]) -> None:
    """Who wants to know agents shows them a certificate as well."""
    with pytest.raises(pydantic.ValidationError, match=sentence):
        config.Nodes(**{"listen": "192.0.2.1:9697", **settings})


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Sign certificates."""
    return Authority(tmp_path / "tls")


def test_files_that_fit_are_no_problem(authority: Authority) -> None:
    """A certificate, its key, and an authority are all that is needed."""
    own = authority.certify("core")

    assert certificates.problems(Tls(authority.file, own.certificate, own.key)) == []


def test_key_of_another_certificate_is_named(authority: Authority) -> None:
    """Both files are, because nobody knows which of them is wrong."""
    own, other = authority.certify("core"), authority.certify("other")

    assert certificates.problems(Tls(certificate=own.certificate, key=other.key)) == [
        f'tls_key: "{other.key}" is not the key of the certificate in "{own.certificate}"'
    ]


def test_files_of_another_kind_are_named(authority: Authority, tmp_path: Path) -> None:
    """A key in the place of a certificate, a folder, and a certificate in the place of a key."""
    own = authority.certify("core")

    assert certificates.problems(Tls(ca=own.key)) == [f'tls_ca: "{own.key}" holds no certificate in PEM format']
    assert certificates.problems(Tls(ca=tmp_path)) == [f'tls_ca: "{tmp_path}" cannot be read: Is a directory']
    assert certificates.problems(Tls(certificate=own.certificate, key=own.certificate)) == [
        f'tls_key: "{own.certificate}" holds no private key in PEM format'
    ]


def test_key_with_a_password_is_named(authority: Authority, tmp_path: Path) -> None:
    """Nobody is asked for the password: a service has no keyboard."""
    own = authority.certify("core", password="secret")

    assert certificates.problems(Tls(certificate=own.certificate, key=own.key)) == [
        f'tls_key: "{own.key}" needs a password, and nobody is there to type it'
    ]


def test_certificate_that_is_not_valid_now_is_named_with_its_end(authority: Authority) -> None:
    """It can be read, and nobody would accept it."""
    old = authority.certify("old", valid_for=YESTERDAY)
    tls = Tls(authority.file, old.certificate, old.key)

    [problem] = certificates.problems(tls)

    assert problem.startswith(f'tls_certificate: "{old.certificate}" expired on 20')
    assert certificates.unusable(tls) == []


def test_certificate_for_the_other_side_is_named(authority: Authority) -> None:
    """A certificate that only servers may show proves nothing to a driver, and the other way round."""
    shown = authority.certify("shown", usage=ExtendedKeyUsageOID.SERVER_AUTH)
    tls = Tls(authority.file, shown.certificate, shown.key)

    assert certificates.problems(replace(tls, is_server=True)) == []
    assert certificates.problems(tls) == [
        f'tls_certificate: "{shown.certificate}" is not for clients: its extended key usage does not name them'
    ]


def test_one_of_several_authorities_may_have_expired(authority: Authority, tmp_path: Path) -> None:
    """While authorities change, the former one and the next one are in the file."""
    former = Authority(tmp_path / "former", valid_for=YESTERDAY)
    assert len(certificates.problems(Tls(ca=former.file))) == 1

    former.file.write_bytes(former.file.read_bytes() + authority.file.read_bytes())

    assert certificates.problems(Tls(ca=former.file)) == []


def check(folder: Path, text: str, *options: str) -> tuple[int, str]:
    """Return the status of `check-config` with these settings, and what it says."""
    path = folder / "jackfield.toml"
    path.write_text(text)
    result = CliRunner().invoke(cli, ["check-config", "--config", str(path), *options])
    return result.exit_code, result.output


def settings_of(authority: Authority, core: Any, **others: str) -> str:
    files = {"tls_ca": authority.file, "tls_certificate": core.certificate, "tls_key": core.key, **others}
    tls = "".join(f'{name} = "{value}"\n' for name, value in files.items())
    return f'[nodes]\nlisten = "0.0.0.0:9697"\n{tls}[[drivers]]\nname = "fabric"\nendpoint = "192.0.2.1:5000"\n{tls}'


def test_settings_with_tls_everywhere_are_valid_without_a_warning(authority: Authority, tmp_path: Path) -> None:
    """The files are looked at, and there is nothing to say about them."""
    status, output = check(tmp_path, settings_of(authority, authority.certify("core")))

    assert (status, "warning" in output) == (0, False), output


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_unusable_file_ends_the_check(authority: Authority, tmp_path: Path, options: tuple[str, ...]) -> None:
    """The sentence says where the file is named, and by which setting."""
    absent = tmp_path / "absent.pem"

    status, output = check(tmp_path, settings_of(authority, authority.certify("core"), tls_ca=str(absent)), *options)

    assert status == 2
    assert f'  nodes: tls_ca: there is no file "{absent}"\n' in output
    assert f'  driver "fabric": tls_ca: there is no file "{absent}"\n' in output
    shown = output.partition("jackfield: ")[0]
    assert not options or json.loads(shown)["nodes"]["tls_ca"] == str(absent)


UNWISE: dict[str, tuple[str, str]] = {
    "driver without TLS": (
        '[[drivers]]\nname = "fabric"\nendpoint = "192.0.2.1:5000"\n',
        'driver "fabric" is called at 192.0.2.1:5000 without TLS: whoever is on the way reads and changes all of it',
    ),
    "agents without TLS": (
        '[nodes]\nlisten = "0.0.0.0:9697"\n',
        "nodes.listen is 0.0.0.0:9697 without TLS: everybody there can be any host's agent",
    ),
    "agents without certificates": (
        '[nodes]\nlisten = "0.0.0.0:9697"\ntls_certificate = "{certificate}"\ntls_key = "{key}"\n',
        "nodes.listen is 0.0.0.0:9697 without tls_ca: everybody there can be any host's agent",
    ),
    "agents with any certificate": (
        '[nodes]\nlisten = "0.0.0.0:9697"\ntls_certificate = "{certificate}"\ntls_key = "{key}"\n'
        'tls_ca = "{ca}"\ntls_verify_host = false\n',
        "nodes.listen is 0.0.0.0:9697 and tls_verify_host is off: "
        "whoever has a certificate of tls_ca can be any host's agent",
    ),
}


@pytest.mark.parametrize(("text", "warning"), UNWISE.values(), ids=UNWISE.keys())
def test_what_others_can_reach_without_proof_is_warned_of(
    authority: Authority, tmp_path: Path, text: str, warning: str
) -> None:
    """It is legal, and an operator may not have meant it."""
    core = authority.certify("core")

    status, output = check(tmp_path, text.format(ca=authority.file, certificate=core.certificate, key=core.key))

    assert (status, f"warning: {warning}\n" in output) == (0, True), output


LOCAL: dict[str, Callable[[str], str]] = {
    "nodes": '[nodes]\nlisten = "{}"\n'.format,
    "driver": '[[drivers]]\nname = "fabric"\nendpoint = "{}"\n'.format,
}


@pytest.mark.parametrize("section", LOCAL.values(), ids=LOCAL.keys())
@pytest.mark.parametrize("address", ["unix:///run/a.sock", "127.0.0.1:1", "localhost:1", "[::1]:1"])
def test_what_only_this_host_reaches_needs_no_tls(tmp_path: Path, section: Callable[[str], str], address: str) -> None:
    """Loopback and Unix sockets are no reason to warn."""
    status, output = check(tmp_path, section(address))

    assert (status, "TLS" in output) == (0, False), output
