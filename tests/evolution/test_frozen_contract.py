"""The frozen contract: what v1 promises, no later change takes back, and `make proto` is who says so."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHANGE = "proto/jackfield/driver/v1/change.proto"
REVISION = "  int64 revision = 5;"


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the contract and the tool that guards it, and freeze the copy."""
    folder = tmp_path_factory.mktemp("frozen")
    for name in ("buf.yaml", "buf.gen.yaml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "tools", folder / "tools")
    ignored = shutil.ignore_patterns("frozen", "tests", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "proto", folder / "proto", ignore=ignored)
    done = _proto(folder, "--freeze")
    assert done.returncode == 0, done.stderr
    assert (folder / "proto/frozen/jackfield-v1.binpb").stat().st_size > 1000
    return folder


@pytest.fixture
def contract(frozen: Path, tmp_path: Path) -> Path:
    """Give each test a frozen contract of its own, to break."""
    return shutil.copytree(frozen, tmp_path / "repository")


def test_untouched_contract_passes(contract: Path) -> None:
    """What was frozen is compatible with itself, and the generated code is what it generates."""
    checked = _proto(contract, "--check")

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "not frozen" not in checked.stdout


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        pytest.param(REVISION, "", 'Previously present field "5" with name "revision"', id="a field is removed"),
        pytest.param(REVISION, "  int64 version = 5;", '"revision" to "version"', id="a field is renamed"),
        pytest.param(REVISION, "  int64 revision = 15;", 'field "5" with name "revision"', id="a number changes"),
        pytest.param(REVISION, "  int32 revision = 5;", '"int64" to "int32"', id="a type changes"),
        pytest.param("  ACTION_DELETE = 3;", "", 'enum value "3" on enum "Action"', id="a choice is removed"),
    ],
)
def test_broken_promise_is_named(contract: Path, before: str, after: str, complaint: str) -> None:
    """Each way to break a vendor's driver fails the check, with the name of what is missing."""
    _edit(contract / CHANGE, before, after)

    checked = _proto(contract, "--check")

    assert checked.returncode != 0
    assert complaint in checked.stdout + checked.stderr
    assert "breaks what proto/frozen/jackfield-v1.binpb promises" in checked.stderr


def test_removed_call_is_named(contract: Path) -> None:
    """A remote procedure cannot go either."""
    path = contract / "proto/jackfield/driver/v1/driver.proto"
    _edit(path, "  rpc Drain(DrainRequest) returns (DrainResponse);", "")

    checked = _proto(contract, "--check")

    assert checked.returncode != 0
    assert '"Drain"' in checked.stdout + checked.stderr


def test_addition_breaks_nothing(contract: Path) -> None:
    """A new field is compatible; what is left to do is to generate the code."""
    _edit(contract / CHANGE, REVISION, f"{REVISION}\n  // Something new.\n  string novelty = 99;")

    checked = _proto(contract, "--check")

    assert "promises" not in checked.stderr
    assert "run 'make generate'" in checked.stderr


@pytest.mark.parametrize(
    ("addition", "rule"),
    [
        pytest.param("  string novelty = 99;", "should have a non-empty comment", id="without a comment"),
        pytest.param("  // New.\n  string Novelty = 99;", "lower_snake_case", id="against the naming rules"),
    ],
)
def test_sloppy_contract_is_refused(contract: Path, addition: str, rule: str) -> None:
    """The linter knows the standard rules, and that everything is documented."""
    _edit(contract / CHANGE, REVISION, f"{REVISION}\n{addition}")

    checked = _proto(contract, "--check")

    assert checked.returncode != 0
    assert rule in checked.stdout + checked.stderr


def test_linter_is_told_everything() -> None:
    """Nobody takes a category of rules out, or excepts one."""
    settings = (ROOT / "buf.yaml").read_text()

    assert re.search(r"lint:\n  use: \[STANDARD, COMMENTS\]", settings)
    assert re.search(r"breaking:\n  use: \[FILE\]", settings)
    assert "except" not in settings
    assert "ignore" not in settings


def test_contract_is_frozen_if_the_changelog_says_so() -> None:
    """The promise and the image come together."""
    is_promised = "v1 is frozen" in (ROOT / "CHANGELOG.md").read_text()

    assert is_promised == (ROOT / "proto/frozen/jackfield-v1.binpb").is_file()


def _edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert text.count(before) == 1, f"{path.name} has {text.count(before)} of {before!r}"
    path.write_text(text.replace(before, after))


def _proto(folder: Path, option: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HOME": str(folder), "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"}
    return subprocess.run(
        [folder / "tools/proto", option], cwd=folder, env=environment, capture_output=True, text=True, timeout=240
    )
