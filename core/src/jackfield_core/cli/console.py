"""How commands speak to the operator: tables, JSON, questions, and the end with a sentence.

A command that has done its work ends with 0, or with 1 if what it found is not
as it should be: a script sees the difference. One that could not do it ends
with 2.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NoReturn

import msgspec
import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from jackfield_core.db.base import now

Step = Callable[[int, int], None]
"""Told how much of some work is done, of how much."""


def confirm(question: str, *, is_agreed: bool) -> None:
    """Go on only if the operator agrees, by an option or at the terminal."""
    if is_agreed:
        return
    if not sys.stdin.isatty():
        end(f"{question} Nothing was changed: say --yes.")
    if not typer.confirm(question, err=True):
        end("nothing was changed")


@contextlib.contextmanager
def progress(work: str) -> Iterator[Step]:
    """Show a bar on standard error, if that is a terminal; yield what is told of every step."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(work, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def end(message: str) -> NoReturn:
    """End the command with *message*."""
    typer.echo(f"jackfield: {message}", err=True)
    raise typer.Exit(2)


def print_json(value: object) -> None:
    """Print one JSON value for scripts."""
    typer.echo(msgspec.json.encode(value).decode())


def age(since: datetime | None) -> str:
    """Return how long ago that was, in words for a table; empty for None."""
    return "" if since is None else duration((now() - since).total_seconds())


def duration(seconds: float) -> str:
    """Return seconds in the unit that a person would choose."""
    if seconds < 120:
        return f"{int(seconds)} s"
    if seconds < 7200:
        return f"{int(seconds // 60)} min"
    return f"{int(seconds // 3600)} h" if seconds < 172_800 else f"{int(seconds // 86_400)} d"


def counted(count: int, noun: str) -> str:
    """Return how many of something there are: ``1 debt``, ``2 debts``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, as wide as it has to be."""
    table = Table(*columns, box=box.SIMPLE_HEAD)
    for row in rows:
        # As it is: words of a driver may look like rich's markup.
        table.add_row(*map(Text, row))
    # A pipe has no width; a table cut at 80 columns is of no use to grep.
    Console(width=None if sys.stdout.isatty() else 240).print(table)
