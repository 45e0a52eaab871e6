"""The command ``jackfield``, run as operators run it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def config_file(tmp_path: Path, empty_database_url: str) -> Path:
    """Write settings for a database without tables and a driver that is not there."""
    path = tmp_path / "jackfield.toml"
    path.write_text(
        f'[database]\nurl = "{empty_database_url}"\n[mechanism]\nhandshake_timeout = 0.2\n'
        f'[[drivers]]\nname = "ovs"\nendpoint = "unix://{tmp_path}/ovs.sock"\n'
    )
    return path


def run(*arguments: str | Path) -> tuple[int, str]:
    """Run the command; return its status and all that it printed."""
    result = subprocess.run(
        [sys.executable, "-m", "jackfield_core", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    return result.returncode, result.stdout


@pytest.mark.parametrize("command", [["serve"], ["driver", "list"], ["delivery", "list"]])
def test_old_database_is_named_with_its_cure(config_file: Path, command: list[str]) -> None:
    """A database without this release's tables ends the command with the command that helps."""
    status, output = run(*command, "--config", config_file)

    assert (status, "jackfield db upgrade" in output) == (2, True), output


def test_upgrade_makes_a_database_that_commands_can_read(config_file: Path) -> None:
    """After an upgrade nothing is owed, and the driver that is not there is shown as such."""
    assert run("db", "upgrade", "--config", config_file)[0] == 0
    assert "up to date" in run("db", "upgrade", "--config", config_file)[1]

    assert json.loads(run("delivery", "list", "--config", config_file, "--json")[1]) == []
    (driver,) = json.loads(run("driver", "list", "--config", config_file, "--json")[1])
    assert (driver["name"], driver["state"], driver["owed"]) == ("ovs", "not reachable", 0)


def test_wrong_setting_is_named(tmp_path: Path) -> None:
    """A key that does not exist is an error that names it."""
    path = tmp_path / "wrong.toml"
    path.write_text("[api]\nlistn = 1\n")

    status, output = run("check-config", "--config", path)

    assert (status, "api.listn" in output) == (2, True), output


def test_database_that_is_away_ends_with_a_sentence(tmp_path: Path) -> None:
    """A database that cannot be reached is no traceback."""
    path = tmp_path / "away.toml"
    path.write_text(f'[database]\nurl = "postgresql://nobody@/nothing?host={tmp_path}"\n')

    status, output = run("db", "upgrade", "--config", path)

    assert (status, "the database does not answer" in output) == (2, True), output
