"""What notifiers are is checked before anything starts, and said in sentences."""

import subprocess
import sys
from pathlib import Path

import pydantic
import pytest
from jackfield_core import config
from jackfield_core.notify.compute import ComputeService

NOVA = {"name": "nova", "url": "https://nova.example:8774/v2.1"}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"name": "Nova"}, "should match pattern"),
        ({"url": "nova.example:8774"}, "not the root of an API"),
        ({"url": "ftp://nova.example"}, "not the root of an API"),
        ({"url": "https://"}, "not the root of an API"),
        ({"url": "https://nova.example/?x=1"}, "not the root of an API"),
        ({"url": "https://nova.example:99999"}, "out of range"),
        ({"url": "https://nova:hush@nova.example"}, "a token belongs into token_file or token_env"),
        ({"token_file": "/a", "token_env": "A"}, "both token_file and token_env"),
        ({"token_env": "A B"}, "should match pattern"),
        ({"ca_file": "/nowhere/ca.pem"}, 'there is no file "/nowhere/ca.pem"'),
        ({"batch": 0}, "greater than 0"),
        ({"timeout": 61}, "less than or equal to 60"),
        ({"tokens": "x"}, "Extra inputs"),
    ],
)
def test_wrong_settings_are_refused(values: dict[str, object], sentence: str) -> None:
    """Each mistake has a message that names the fact."""
    with pytest.raises(pydantic.ValidationError) as raised:
        config.Notifier(**{**NOVA, **values})

    (error,) = raised.value.errors()
    assert sentence in error["msg"]
    assert "hush" not in error["msg"]


def test_notifiers_and_drivers_have_names_of_their_own() -> None:
    """The ledger knows both by their names alone."""
    nova = config.Notifier(**NOVA)
    driver = config.Driver(name="nova", endpoint="127.0.0.1:1")

    for settings in ({"notifiers": [nova, nova]}, {"notifiers": [nova], "drivers": [driver]}):
        with pytest.raises(pydantic.ValidationError, match="another notifier or driver: nova"):
            config.Settings(**settings)


def test_certificates_that_are_none_are_named(tmp_path: Path) -> None:
    """A process with a broken file of certificates does not start, and says which."""
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")

    with pytest.raises(OSError, match=f"{path}, the ca_file of a notifier"):
        ComputeService(config.Notifier(**NOVA, ca_file=path))


def test_check_config_shows_notifiers_and_what_is_unwise(tmp_path: Path) -> None:
    """A token without encryption and a token that is missing are warned of; the settings are valid."""
    path = tmp_path / "jackfield.toml"
    path.write_text(
        '[[notifiers]]\nname = "plain"\nurl = "http://nova.example/v2.1"\ntoken_file = "/nowhere/token"\n'
        '[[notifiers]]\nname = "open"\nurl = "https://nova.example/v2.1"\n'
        '[[notifiers]]\nname = "unset"\nurl = "https://nova.example/v2.1"\ntoken_env = "JACKFIELD_TEST_NO_TOKEN"\n'
    )

    command = [sys.executable, "-m", "jackfield_core", "check-config", "--config", str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    assert 'notifier "plain" sends its token without encryption' in output
    assert 'notifier "plain": there is no readable file /nowhere/token' in output
    assert 'notifier "open" has neither token_file nor token_env' in output
    assert 'notifier "unset": the environment variable JACKFIELD_TEST_NO_TOKEN' in output
