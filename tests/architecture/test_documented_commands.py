"""What the pages tell operators to type: every command, argument and option exists."""

import re
import shlex
from pathlib import Path

import pytest
from jackfield_core.cli import cli
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    path
    for pattern in ("*.md", "docs/*.md", "docs/decisions/*.md", "core/*.md", "core/src/**/*.py")
    for path in sorted(ROOT.glob(pattern))
]
QUOTED = re.compile(r"`(jackfield [^`\n]+)`")
TYPED = re.compile(r"^(?:    |\$ )?(jackfield [^\n#|>`&]+)", re.MULTILINE)


def commands() -> list[str]:
    """Return every command that a page or a sentence of the program shows, each once, where it is shown first."""
    found: dict[str, str] = {}
    for page in PAGES:
        text = re.sub(r"\n\s+", " ", page.read_text()) if page.suffix == ".py" else page.read_text()
        quoted = QUOTED.findall(text)
        typed = TYPED.findall(text) if page.suffix == ".md" else []
        for command in (*quoted, *typed):
            found.setdefault(command.strip(), str(page.relative_to(ROOT)))
    return [f"{page}: {command}" for command, page in found.items() if "…" not in command]


@pytest.mark.parametrize("shown", commands())
def test_documented_command_exists(shown: str) -> None:
    """The command line knows every command and every option that is written."""
    assert is_known(shown.partition(": ")[2])


@pytest.mark.parametrize("wrong", ["jackfield driver lss", "jackfield driver lag --older 3"])
def test_wrong_command_is_noticed(wrong: str) -> None:
    """The test above is not blind."""
    assert not is_known(wrong)


def test_pages_show_commands() -> None:
    """There is something to look at, on the page that operators open first."""
    assert any(shown.startswith("docs/troubleshooting.md: jackfield driver diff") for shown in commands())


def is_known(command: str) -> bool:
    """Return whether the command line takes these words; nothing is run, because help is asked for as well."""
    return CliRunner().invoke(cli, [*shlex.split(command)[1:], "--help"]).exit_code == 0
