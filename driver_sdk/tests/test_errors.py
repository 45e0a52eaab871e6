"""Errors carry a stable code and a sentence, and settings refuse what cannot work."""

from __future__ import annotations

import pytest
from jackfield_sdk import AgentSettings, DeviceConflict, Infeasible, Rejected, RetryLater, ServerSettings


@pytest.mark.parametrize("code", ["lower", "WITH SPACE", "A" * 64, "Ä"])
def test_a_code_that_machines_cannot_rely_on_fails_where_it_is_written(code):
    """The contract allows 1 to 63 of A-Z, 0-9 and _."""
    with pytest.raises(ValueError, match="no stable name"):
        Rejected("VLAN 7 is reserved", reason=code)
    with pytest.raises(ValueError, match="no stable name"):
        RetryLater("the switch is down", code=code)


def test_every_error_has_a_code_of_its_own():
    """An operator can count what kind of trouble there is without a driver naming it."""
    assert RetryLater("x").code == "RETRY_LATER"
    assert Infeasible("x").code == "INFEASIBLE"
    assert DeviceConflict("x").code == "DEVICE_CONFLICT"
    assert Rejected("x").reason == "REJECTED"


def test_a_certificate_without_its_key_is_refused_with_the_names_of_both(tmp_path):
    """TLS that is configured by halves would be served as no TLS."""
    with pytest.raises(ValueError, match="tls_certificate and tls_key belong together"):
        ServerSettings(listen="localhost:0", tls_certificate=tmp_path / "cert.pem")
    with pytest.raises(ValueError, match="tls_certificate and tls_key belong together"):
        AgentSettings(tls_key=tmp_path / "key.pem")


def test_a_setting_comes_from_the_environment_and_an_argument_wins(monkeypatch):
    """The prefix says whose setting it is."""
    monkeypatch.setenv("JACKFIELD_DRIVER_MAX_BATCH", "50")
    monkeypatch.setenv("JACKFIELD_DRIVER_THREADS", "3")

    settings = ServerSettings(threads=4)

    assert (settings.max_batch, settings.threads) == (50, 4)


def test_the_default_address_is_a_socket_named_after_the_driver():
    """Nobody is reachable over TCP unless told."""
    assert ServerSettings().address("arista") == "unix:///run/jackfield/arista.sock"
