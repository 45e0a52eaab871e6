"""What the pages tell operators to type: every command, argument and option exists."""

import ast
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest
from jackfield_arista.__main__ import main as arista
from jackfield_core.cli import cli
from jackfield_linuxbridge.__main__ import main as linuxbridge
from jackfield_ovs.__main__ import main as ovs
from jackfield_sdk.conformance.cli import app as conformance
from jackfield_sdk.examples.loopback.cli import app as loopback
from jackfield_sdk.scaffold.cli import app as scaffold
from typer import Typer
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    path
    for pattern in ("*.md", "docs/**/*.md", "*/*.md", "drivers/*/*.md", "core/src/**/*.py")
    for path in sorted(ROOT.glob(pattern))
]
PROGRAMS: Mapping[str, Typer] = {
    "jackfield": cli,
    "jackfield-arista": arista,
    "jackfield-conformance": conformance,
    "jackfield-linuxbridge": linuxbridge,
    "jackfield-loopback": loopback,
    "jackfield-ovs": ovs,
    "jackfield-sdk": scaffold,
}
PROGRAM = f"(?:{'|'.join(PROGRAMS)})"
QUOTED = re.compile(rf"`({PROGRAM} [^`\n]+)`")
TYPED = re.compile(rf"^(?:    |\$ )?({PROGRAM} [^\n#|>`&]+)", re.MULTILINE)
MADE = re.compile(r"(?:`|^(?:    |\$ )?)make ([a-z-]+)", re.MULTILINE)
MEASURED = re.compile(r"python -m bench --sections ([a-z ]+)")


def commands() -> list[str]:
    """Return every command that a page or a sentence of the program shows, each once, where it is shown first."""
    found: dict[str, str] = {}
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")
        text = re.sub(r"\n\s+", " ", text) if page.suffix == ".py" else text
        quoted = QUOTED.findall(text)
        typed = TYPED.findall(text) if page.suffix == ".md" else []
        for command in (*quoted, *typed):
            found.setdefault(command.strip(), str(page.relative_to(ROOT)))
    return [f"{page}: {command}" for command, page in found.items() if "…" not in command]


@pytest.mark.parametrize("shown", commands())
def test_documented_command_exists(shown: str) -> None:
    """The command line knows every command and every option that is written."""
    assert is_known(shown.partition(": ")[2])


@pytest.mark.parametrize(
    "wrong",
    ["jackfield driver lss", "jackfield driver lag --older 3", "jackfield-ovs agnet", "jackfield-arista check --now"],
)
def test_wrong_command_is_noticed(wrong: str) -> None:
    """The test above is not blind."""
    assert not is_known(wrong)


def test_pages_show_commands() -> None:
    """There is something to look at, on the page that operators open first."""
    assert any(shown.startswith("docs/troubleshooting.md: jackfield driver diff") for shown in commands())


def test_documented_targets_and_benches_exist() -> None:
    """`make` has the targets, and the bench the sections, that pages name."""
    text = "\n".join(page.read_text() for page in PAGES if page.suffix == ".md")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {section for sections in MEASURED.findall(text) for section in sections.split()}

    assert set(MADE.findall(text)) - targets == set()
    assert named
    assert named - sections_of_the_bench() == set()


def sections_of_the_bench() -> set[str]:
    """Return what `python -m bench --sections` takes, without loading the bench."""
    for node in ast.parse((ROOT / "bench/__main__.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SECTIONS":
            return set(ast.literal_eval(node.value))
    return set()


def is_known(command: str) -> bool:
    """Return whether the command line takes these words; nothing is run, because help is asked for as well."""
    program, *arguments = shlex.split(re.sub(r"[][]", "", command))
    return CliRunner().invoke(PROGRAMS[program], [*arguments, "--help"]).exit_code == 0
