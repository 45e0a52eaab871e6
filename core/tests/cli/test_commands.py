"""The command ``jackfield``, run as operators run it."""

import json
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.waiting import wait_until


@pytest.fixture
def config_file(tmp_path: Path, empty_database_url: str) -> Path:
    """Write settings for a database without tables and a driver that is not there."""
    path = tmp_path / "jackfield.toml"
    path.write_text(
        f'[database]\nurl = "{empty_database_url}"\n[mechanism]\nhandshake_timeout = 30\n'
        f'[[drivers]]\nname = "ovs"\nendpoint = "unix://{tmp_path}/ovs.sock"\n'
    )
    return path


@pytest.fixture
def loopback_driver(tmp_path: Path) -> Iterator[None]:
    """Run a driver of the name and at the address that the settings have."""
    socket = tmp_path / "ovs.sock"
    command = [sys.executable, "-m", "jackfield_sdk.examples.loopback", "--name", "ovs", "--listen", f"unix://{socket}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_until(socket.exists, what="the socket of the driver", timeout=30)
        yield
        process.terminate()


def run(*arguments: str | Path) -> tuple[int, str]:
    """Run the command; return its status and all that it printed."""
    result = subprocess.run(
        [sys.executable, "-m", "jackfield_core", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=180,
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


@pytest.mark.usefixtures("loopback_driver")
def test_driver_that_answers_is_listed_as_ready(config_file: Path) -> None:
    """The list asks the drivers themselves, and says so of one that answers."""
    run("db", "upgrade", "--config", config_file)

    (driver,) = json.loads(run("driver", "list", "--config", config_file, "--json")[1])

    assert (driver["name"], driver["state"]) == ("ovs", "ready")


WRONG = {
    "[api]\nlistn = 1": "api.listn",
    '[api]\nlisten = "9696"': "api.listen",
    '[api]\nlisten = "127.0.0.1:x"': "api.listen",
    '[api]\nlisten = "::1:9696"': "api.listen",
    '[nodes]\nlisten = "unix://nodes.sock"': "nodes.listen",
    '[[drivers]]\nname = "ovs"\nendpoint = "http://host:1"': "drivers.0.endpoint",
    '[database]\nurl = "mysql://name:secret@host/name"': "database.url",
    '[database]\nurl = "jackfield.sqlite"': "database.url",
    "roles = []": "roles",
    '[segments.vlan]\nranges = ["physnet1:5000:6000"]': "segments.vlan.ranges",
    '[segments.vxlan]\nranges = ["1:10", "5:20"]': "segments.vxlan.ranges",
    '[segments]\nproject_network_types = ["carrier-pigeon"]': "segments.project_network_types",
    "[segments]\nphysical_mtuu = 9000": "segments.physical_mtuu",
}


@pytest.mark.parametrize(("text", "field"), WRONG.items())
def test_wrong_setting_is_named(tmp_path: Path, text: str, field: str) -> None:
    """What `serve` could not use is an error that names the field, in one sentence, and keeps passwords."""
    path = tmp_path / "wrong.toml"
    path.write_text(text)

    status, output = run("check-config", "--config", path)

    assert (status, f"  {field}: " in output, "Traceback" in output) == (2, True, False), output
    assert "secret" not in output


def test_settings_that_are_no_text_end_with_a_sentence(tmp_path: Path) -> None:
    """A file of bytes is no TOML, and no traceback."""
    path = tmp_path / "binary.toml"
    path.write_bytes(b"\xff\xfe")

    status, output = run("check-config", "--config", path)

    assert (status, "is not TOML" in output) == (2, True), output


@pytest.mark.parametrize("command", [["serve"], ["db", "upgrade"], ["driver", "list"]])
def test_database_of_a_later_release_is_named(tmp_path: Path, command: list[str]) -> None:
    """A database that a later release has upgraded ends the command with a sentence."""
    path, database = tmp_path / "jackfield.toml", tmp_path / "later.sqlite"
    path.write_text(f'[database]\nurl = "sqlite:///{database}"\n')
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")

    status, output = run(*command, "--config", path)

    assert (status, "is at revision 9999" in output, "Traceback" in output) == (2, True, False), output


def test_settings_are_printed_without_the_password(tmp_path: Path) -> None:
    """What is printed for scripts ends in tickets and logs: the password stays out of it."""
    path = tmp_path / "jackfield.toml"
    path.write_text('[database]\nurl = "postgresql://jackfield:secret@db/jackfield"\n')

    status, output = run("check-config", "--config", path, "--json")

    assert (status, "secret" in output) == (0, False), output
    assert json.loads(output)["database"]["url"] == "postgresql://jackfield:***@db/jackfield"


@pytest.mark.parametrize(
    "arguments",
    [
        ["delivery", "list", "--limit", str(10**20)],
        ["delivery", "list", "--resource", "\udcff"],
        ["driver", "quarantine", "ovs", "--reason", "leaf \udcff burns"],
        ["driver", "show", "\udcff"],
    ],
)
def test_argument_that_no_database_takes_is_named(config_file: Path, arguments: list[str]) -> None:
    """A number of twenty digits, or bytes that are no text, end with a sentence and not with a trace."""
    status, output = run(*arguments, "--config", config_file)

    assert status == 2, output
    assert "Invalid value for" in output
    assert "Traceback" not in output


def test_version_is_printed() -> None:
    """An operator can ask which release is installed."""
    status, output = run("--version")

    assert (status, output.split()[0]) == (0, "jackfield"), output


def test_database_that_is_away_ends_with_a_sentence(tmp_path: Path) -> None:
    """A database that cannot be reached is no traceback."""
    path = tmp_path / "away.toml"
    path.write_text(f'[database]\nurl = "postgresql://nobody@/nothing?host={tmp_path}"\n')

    status, output = run("db", "upgrade", "--config", path)

    assert (status, "the database does not answer" in output) == (2, True), output


def test_finalisation_without_a_driver_changes_nothing(config_file: Path) -> None:
    """The command says what is the matter, and that is its status."""
    run("db", "upgrade", "--config", config_file)

    unknown = run("driver", "finalize", "fabric", "--config", config_file)
    unheard = run("driver", "finalize", "ovs", "--config", config_file)

    assert (unknown[0], 'there is no driver "fabric"' in unknown[1]) == (2, True), unknown
    assert (unheard[0], "never introduced itself" in unheard[1]) == (2, True), unheard


@pytest.mark.parametrize("table", ["api", "nodes"])
def test_address_that_cannot_be_had_ends_serve_with_a_sentence(config_file: Path, tmp_path: Path, table: str) -> None:
    """A folder that cannot be made is named, without a trace, and the core does not say that it has started."""
    (tmp_path / "file").touch()
    addresses = {"api": "127.0.0.1:0", "nodes": f"unix://{tmp_path}/n.sock", table: f"unix://{tmp_path}/file/x.sock"}
    with config_file.open("a") as text:
        text.write("".join(f'[{name}]\nlisten = "{address}"\n' for name, address in addresses.items()))

    status, output = run("serve", "--migrate", "--config", config_file)

    assert (status, "cannot serve" in output, f"{tmp_path}/file" in output) == (2, True, True), output
    assert "Traceback" not in output
    assert "core.started" not in output


def test_api_says_that_it_has_started_only_if_it_has(config_file: Path, tmp_path: Path) -> None:
    """A port that another process has is an end with a sentence too."""
    with socket.create_server(("127.0.0.1", 0)) as taken, config_file.open("a") as text:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        text.write(f'[api]\nlisten = "{address}"\n[nodes]\nlisten = "unix://{tmp_path}/n.sock"\n')
        text.flush()

        status, output = run("serve", "--migrate", "--config", config_file)

    assert (status, f"cannot listen on {address}" in output) == (2, True), output
    assert "core.started" not in output
