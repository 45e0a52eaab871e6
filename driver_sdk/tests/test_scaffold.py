"""`jackfield-sdk new`: what it writes runs, passes its own tests, and conforms."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from jackfield_sdk.scaffold.cli import app
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sdk():
    """Run `jackfield-sdk` and give its result."""

    def run(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


def test_a_new_project_is_complete(sdk, tmp_path):
    """Every file names the driver, and no placeholder is left."""
    project = tmp_path / "acme"
    result = sdk("new", "acme-evpn", "--directory", project)

    written = {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}
    assert result.exit_code == 0, result.output
    assert written == {
        "README.md",
        "conformance.toml",
        "pyproject.toml",
        "src/jackfield_acme_evpn/__init__.py",
        "src/jackfield_acme_evpn/__main__.py",
        "src/jackfield_acme_evpn/device.py",
        "src/jackfield_acme_evpn/driver.py",
        "src/jackfield_acme_evpn/plan.py",
        "src/jackfield_acme_evpn/settings.py",
        "tests/test_conformance.py",
        "tests/test_driver.py",
    }
    distribution = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    assert distribution["name"] == "jackfield-driver-acme-evpn"
    assert distribution["scripts"] == {"jackfield-acme-evpn": "jackfield_acme_evpn.__main__:main"}
    assert "class AcmeEvpnDriver(" in (project / "src/jackfield_acme_evpn/driver.py").read_text()
    assert all("PACKAGE" not in (project / path).read_text() for path in written)
    assert all(line in result.output for line in written)


def test_nothing_that_exists_is_overwritten(sdk, tmp_path):
    """Neither a folder with something in it nor a file; an empty folder is welcome."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "driver.py").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()

    for taken in ("full", "file"):
        result = sdk("new", "acme", "--directory", tmp_path / taken)
        assert result.exit_code == 1
        assert "exists and is not an empty folder; nothing was written" in result.output
    assert sdk("new", "acme", "--directory", tmp_path / "empty").exit_code == 0
    assert [each.name for each in (tmp_path / "full").iterdir()] == ["driver.py"]


@pytest.mark.parametrize("name", ["Acme", "acme_evpn", "7acme", "acme-", "a--b", "a" * 64, "../acme", ""])
def test_a_name_that_no_driver_can_have_is_refused(sdk, tmp_path, name):
    """The core would not accept it in its configuration either."""
    result = sdk("new", name, "--directory", tmp_path / "project")

    assert result.exit_code == 1
    assert "is no name of a driver" in result.output
    assert not (tmp_path / "project").exists()


def test_a_name_of_the_project_itself_is_refused(sdk, tmp_path):
    """A package `jackfield_sdk` or a command `jackfield-loopback` of the project would hide ours."""
    ours = [path.parent for pattern in ("*", "drivers/*") for path in ROOT.glob(f"{pattern}/pyproject.toml")]
    packages = {path.name.removeprefix("jackfield_") for each in ours for path in each.glob("src/jackfield_*")}
    scripts = [tomllib.loads((each / "pyproject.toml").read_text())["project"].get("scripts", {}) for each in ours]
    commands = {name.removeprefix("jackfield-") for each in scripts for name in each} - {"jackfield"}

    assert {"sdk", "conformance"} <= packages | commands
    for name in packages | commands:
        result = sdk("new", name, "--directory", tmp_path / "project")
        assert (result.exit_code, f'"{name}" names a part of Jackfield' in result.output) == (1, True), name
    assert not (tmp_path / "project").exists()


def test_the_help_says_what_is_written_and_what_comes_next(sdk):
    """A vendor who has never seen the core begins here."""
    overview, details = sdk("--help").output, sdk("new", "--help").output

    assert "new" in overview
    for word in ("device.py", "plan.py", "driver.py", "jackfield-conformance", "pip install -e", "[[drivers]]"):
        assert word in details


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_new_project_passes_its_own_tests_and_conforms(sdk, tmp_path):
    """Its driver is started, killed and repeated to by the whole conformance suite."""
    project = tmp_path / "acme"
    assert sdk("new", "acme", "--directory", project).exit_code == 0
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(project / "src")}

    result = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=580)

    assert "8 passed" in result.stdout, result.stdout


def test_a_new_project_is_written_in_the_style_of_the_house(sdk, tmp_path):
    """Formatted, without a remark of the linter, and strictly typed."""
    project = tmp_path / "acme"
    assert sdk("new", "acme", "--directory", project).exit_code == 0
    configuration = ROOT / "pyproject.toml"
    checks = (
        ("ruff", "check", "--no-cache", "--config", configuration, "."),
        ("ruff", "format", "--no-cache", "--config", configuration, "--check", "."),
        ("mypy", "--strict", "--cache-dir", tmp_path / "mypy", "src"),
    )
    for program, *arguments in checks:
        command = [Path(sys.executable).parent / program, *arguments]
        result = subprocess.run(command, cwd=project, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
