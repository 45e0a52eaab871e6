"""What commands load before they do anything, told by names and not by a clock."""

import subprocess
import sys

import pytest
from jackfield_core.cli import COMMANDS, cli
from typer.testing import CliRunner

HEAVY = {"alembic", "fastapi", "google", "grpc", "httpx", "pydantic", "sqlalchemy", "starlette", "structlog", "uvicorn"}


def loaded(module: str) -> set[str]:
    """Return the packages that a fresh interpreter has loaded after the import of *module*, and modules of the core."""
    program = f"import {module}, sys; print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=180)
    names = printed.stdout.split()
    return {name.partition(".")[0] for name in names} | {name for name in names if name.startswith("jackfield_core.")}


def test_help_loads_nothing_but_the_names_of_commands() -> None:
    """Whoever asks what there is waits neither for the database nor for the API."""
    assert {one for one in loaded("jackfield_core.cli") if one.startswith("jackfield_core.")} == {
        "jackfield_core.cli",
        "jackfield_core.cli.deferred",
    }
    assert loaded("jackfield_core.cli") & HEAVY == set()


@pytest.mark.parametrize("command", ["driver", "delivery"])
def test_looks_at_the_ledger_load_no_server(command: str) -> None:
    """The operator's commands need neither the application nor what serves or migrates."""
    found = loaded(f"jackfield_core.cli.{command}")

    assert found & {"alembic", "cryptography", "httpx", "uvicorn"} == set()
    assert found & {f"jackfield_core.{one}" for one in ("app", "api.server", "dispatch", "nodes", "notify")} == set()


def test_check_of_settings_loads_no_drivers() -> None:
    """Settings are read and judged without what calls drivers or serves."""
    assert loaded("jackfield_core.cli.check_config") & {"alembic", "grpc", "httpx", "uvicorn", "starlette"} == set()


def test_start_of_a_core_does_not_load_what_migrates() -> None:
    """A database of this release is recognised without Alembic."""
    assert "alembic" not in loaded("jackfield_core.cli.serve")


@pytest.mark.parametrize("name", COMMANDS)
def test_line_in_help_is_how_the_command_begins(name: str) -> None:
    """What help says of a command before it is loaded is what the command says of itself."""
    helped = CliRunner().invoke(cli, [name, "--help"], terminal_width=200, prog_name="jackfield")

    assert helped.exit_code == 0
    assert COMMANDS[name] in " ".join(helped.output.split())
