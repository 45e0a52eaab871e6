"""From an address to a session: who answers, with which key, and who may log in."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from arista_switches import hurry, open_session
from jackfield_arista.device.errors import (
    AuthenticationFailed,
    HostKeyChanged,
    HostKeyUnknown,
    SwitchError,
    Unreachable,
)
from jackfield_arista.device.session import Timeouts, connect
from jackfield_arista.device.trust import Trust
from jackfield_arista.inventory.credentials import Credentials
from support.netconf import FakeSwitch, NetconfSwitch, missing_requirements

SECRET = "correct horse battery staple"
ANOTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBz1Lq1VYzO2kTgqMZjZk0F3tPcBzY4k1oUqzY7b4k2m"


def chain(error: BaseException | None) -> Iterator[str]:
    """Yield all that an error and those that it came from say."""
    while error is not None:
        yield f"{error} {error!r} {error.args!r}"
        error = error.__cause__


@contextmanager
def a_server_that_says(words: bytes) -> Iterator[int]:
    """Give the port of a server that says this much to everybody and waits."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        connections = []

        def serve() -> None:
            try:
                while True:
                    connection, _ = server.accept()
                    connections.append(connection)
                    connection.sendall(words)
            except OSError:
                return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(20)
        for connection in connections:
            connection.close()


def test_a_pinned_key_and_a_private_key_open_a_session(netconf_switch: NetconfSwitch) -> None:
    """The real server: its key is known, ours is welcome, and it shows its ports."""
    with open_session(netconf_switch) as session:
        assert session.alive
        assert set(session.read().ports) == set(netconf_switch.ports)

    assert not session.alive


def test_a_list_of_known_hosts_names_the_key(netconf_switch: NetconfSwitch) -> None:
    """As ssh writes it, with the port in brackets."""
    with open_session(netconf_switch, trust=Trust(known_hosts=netconf_switch.known_hosts)) as session:
        assert session.read().vlans == {1: "default"}


def test_a_switch_that_nobody_knows_is_refused(netconf_switch: NetconfSwitch, tmp_path: Path) -> None:
    """The reason shows its key as ssh-keygen does, so that an operator can compare and pin it."""
    nobody = tmp_path / "known_hosts"
    nobody.write_text("")
    shown = subprocess.run(["ssh-keygen", "-lf", "-"], input=netconf_switch.host_key, capture_output=True, text=True)
    fingerprint = next(word for word in shown.stdout.split() if word.startswith("SHA256:"))

    for trust in (Trust(), Trust(known_hosts=nobody)):
        with pytest.raises(HostKeyUnknown, match="leaf") as refused:
            open_session(netconf_switch, trust=trust)
        assert fingerprint in refused.value.reason


def test_a_list_that_cannot_be_read_makes_nobody_known(fake_switch: FakeSwitch, tmp_path: Path) -> None:
    """It is said which file, and why."""
    with pytest.raises(HostKeyUnknown, match="nowhere cannot be read"):
        open_session(fake_switch, trust=Trust(known_hosts=tmp_path / "nowhere"))


def test_another_key_than_the_known_one_is_refused(fake_switch: FakeSwitch) -> None:
    """Whoever answers now is not who it was, and gets no login from us."""
    trust = Trust(host_key=fake_switch.host_key)
    fake_switch.change_host_key()

    for doubt in (trust, Trust(known_hosts=fake_switch.known_hosts), Trust(host_key=ANOTHER_KEY)):
        with pytest.raises(HostKeyChanged):
            open_session(fake_switch, trust=doubt)
    assert fake_switch.operations == []


def test_a_key_that_is_none_makes_nobody_known(fake_switch: FakeSwitch) -> None:
    """A mistake of the inventory is no reason to believe anybody."""
    with pytest.raises(HostKeyUnknown, match="not a public key"):
        open_session(fake_switch, trust=Trust(host_key="ssh-ed25519 AAAAB3"))


def test_an_rsa_key_is_compared_by_its_modern_signatures(folder: Path) -> None:
    """OpenSSH does not sign with SHA-1 any more, and EOS shows RSA keys."""
    if missing := missing_requirements():
        pytest.skip(f"needs {' and '.join(missing)}")
    directory = folder / "rsa"
    directory.mkdir()
    key = ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(directory / "host_key")]
    subprocess.run(key, check=True)

    with NetconfSwitch(directory) as switch, open_session(switch) as session:
        assert switch.host_key.startswith("ssh-rsa ")
        assert session.alive


def test_a_lab_may_believe_anybody(fake_switch: FakeSwitch) -> None:
    """If it says so."""
    with open_session(fake_switch, trust=Trust(anyone=True)) as session:
        assert session.alive


def test_a_password_opens_a_session(fake_switch: FakeSwitch) -> None:
    """Alone, or after a key that the switch does not know."""
    with open_session(fake_switch, credentials=Credentials("admin", password=fake_switch.password)) as session:
        assert session.alive


def test_a_wrong_password_is_refused_and_not_told(fake_switch: FakeSwitch, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the error nor any that it came from holds what was tried, and no log does."""
    caplog.set_level("DEBUG")
    with pytest.raises(AuthenticationFailed, match='the login of "admin"') as refused:
        open_session(fake_switch, credentials=Credentials("admin", password=SECRET))

    assert not any(SECRET in said for said in chain(refused.value))
    assert SECRET not in caplog.text
    assert caplog.text


def test_a_key_with_a_passphrase_is_opened(netconf_switch: NetconfSwitch) -> None:
    """With its own passphrase, which is not the password; a wrong one is not told."""
    key, right = netconf_switch.key_file, Credentials(netconf_switch.user, None, netconf_switch.key_file, SECRET)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", SECRET, "-f", str(key)], check=True)

    with open_session(netconf_switch, credentials=right) as session:
        assert session.alive

    wrong = Credentials(netconf_switch.user, None, key, "hunter2hunter2")
    with pytest.raises(AuthenticationFailed, match="no private key that the passphrase opens") as refused:
        open_session(netconf_switch, credentials=wrong)
    assert not any("hunter2" in said for said in chain(refused.value))


def test_a_key_that_is_not_there_is_named(fake_switch: FakeSwitch, tmp_path: Path) -> None:
    """The reason says what is wrong with the file."""
    with pytest.raises(AuthenticationFailed, match="No such file"):
        open_session(fake_switch, credentials=Credentials("admin", key_file=tmp_path / "nowhere"))


def test_who_is_not_there_is_unreachable(fake_switch: FakeSwitch) -> None:
    """The reason names the switch, the address and the fact."""
    fake_switch.power_off()

    with pytest.raises(Unreachable, match=f"127.0.0.1 port {fake_switch.port}: Connection refused") as gone:
        open_session(fake_switch)

    assert gone.value.reason.startswith('switch "leaf"')


@pytest.mark.parametrize(
    ("words", "patience", "fact"),
    [(b"", 0.5, "says nothing"), (b"HTTP/1.1 400 Bad Request\r\n\r\n", 20, "there is no SSH server")],
)
def test_who_is_no_ssh_server_is_unreachable(words: bytes, patience: float, fact: str) -> None:
    """A machine that hangs accepts connections as well."""
    timeouts = Timeouts(connect=patience)
    with a_server_that_says(words) as port, pytest.raises(Unreachable, match=fact):
        connect("127.0.0.1", port, Credentials("admin", SECRET), Trust(anyone=True), timeouts, switch="leaf")


def test_a_server_without_an_answer_is_unreachable(netconf_switch: NetconfSwitch) -> None:
    """Its sshd lets us in, and the NETCONF server behind it hangs."""
    netconf_switch.pause()
    try:
        with pytest.raises(Unreachable, match="no NETCONF session begins"):
            open_session(netconf_switch, timeouts=Timeouts(connect=20, reply=0.5))
    finally:
        netconf_switch.resume()


def test_a_session_that_was_cut_is_noticed(fake_switch: FakeSwitch) -> None:
    """At the next request, which changes nothing and says so."""
    with closing(open_session(fake_switch)) as session:
        fake_switch.cut()

        with pytest.raises(Unreachable):
            session.read()

        assert not session.alive


def test_a_switch_that_hangs_does_not_hold_us_up(fake_switch: FakeSwitch) -> None:
    """A request without an answer in time is the end of the session."""
    with open_session(fake_switch) as session:
        hurry(session)
        fake_switch.faults.hang("get-config")

        with pytest.raises(Unreachable, match="did not answer in time") as late:
            session.read()

    assert isinstance(late.value, SwitchError)
    assert late.value.retry
