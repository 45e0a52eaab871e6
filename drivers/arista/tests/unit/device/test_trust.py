"""Which keys a switch may show, and which ones it is asked for."""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest
from jackfield_arista.device.errors import HostKeyUnknown
from jackfield_arista.device.trust import Trust

ECDSA = paramiko.ECDSAKey.generate()
RSA = paramiko.RSAKey.generate(2048)


def text(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.get_base64()}"


def known(trust: Trust, address: str = "10.0.0.7", port: int = 830) -> dict[str, paramiko.PKey]:
    return trust.keys("leaf", address, port).lookup(address)


def test_a_pinned_key_is_the_only_one(tmp_path: Path) -> None:
    """Whatever the known hosts say; with or without the name of its kind."""
    hosts = tmp_path / "known_hosts"
    hosts.write_text(f"10.0.0.7 {text(RSA)}\n")

    for pinned in (text(ECDSA), f"{text(ECDSA)} of leaf-1", ECDSA.get_base64()):
        keys = Trust(pinned, hosts).keys("leaf", "10.0.0.7", 830)
        assert keys.check("10.0.0.7", ECDSA)
        assert not keys.check("10.0.0.7", RSA)


def test_known_hosts_are_found_with_and_without_a_port(tmp_path: Path) -> None:
    """As ssh writes them, hashed or not; those of other ports and hosts are others."""
    hosts = tmp_path / "known_hosts"
    hashed = paramiko.HostKeys.hash_host("[10.0.0.8]:830")
    hosts.write_text(
        f"[10.0.0.7]:830 {text(ECDSA)}\n10.0.0.7 {text(RSA)}\n{hashed} {text(ECDSA)}\n[10.0.0.9]:22 {text(RSA)}\n"
    )

    assert set(known(Trust(known_hosts=hosts)).values()) == {ECDSA, RSA}
    assert set(known(Trust(known_hosts=hosts), "10.0.0.8").values()) == {ECDSA}
    assert known(Trust(known_hosts=hosts), "10.0.0.9") == {}


def test_an_rsa_key_is_asked_for_by_signatures_that_servers_still_make() -> None:
    """The kind of the key would mean SHA-1."""
    assert list(known(Trust(text(RSA)))) == ["rsa-sha2-512", "rsa-sha2-256"]


def test_nobody_is_known_without_being_told() -> None:
    """There is no key that everybody may show."""
    assert len(Trust().keys("leaf", "10.0.0.7", 830)) == 0


@pytest.mark.parametrize("pinned", ["ssh-ed25519", "ssh-ed25519 ????", "ssh-ed25519 AAAA", "words and words"])
def test_a_key_that_is_none_is_said(pinned: str) -> None:
    """A mistake of the inventory is no reason to believe anybody."""
    with pytest.raises(HostKeyUnknown, match="not a public key"):
        Trust(pinned).keys("leaf", "10.0.0.7", 830)


@pytest.mark.parametrize("line", [b"10.0.0.7 ssh-rsa A", b"10.0.0.7 ssh-rsa \xff\xfe"])
def test_a_list_with_a_broken_line_is_said(tmp_path: Path, line: bytes) -> None:
    """It is not read in part."""
    hosts = tmp_path / "known_hosts"
    hosts.write_bytes(line + b"\n")

    with pytest.raises(HostKeyUnknown, match="no host key"):
        Trust(known_hosts=hosts).keys("leaf", "10.0.0.7", 830)
