"""How commands read settings, ask the database, and speak to the operator.

Whatever goes wrong on the way ends the command with a sentence that can be acted
on, and status 2. A command that has done its work ends with 0, or with 1 if
what it found is not as it should be: a script sees the difference.
"""

import asyncio
import contextlib
import getpass
import socket
import sys
import tomllib
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import msgspec
import pydantic
import sqlalchemy.exc
import typer
from pydantic_settings import SettingsError
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from jackfield_core import config
from jackfield_core.context import RequestContext
from jackfield_core.db import migrate
from jackfield_core.db.base import now
from jackfield_core.db.delivery_state import DeliveryState
from jackfield_core.db.engine import Database
from jackfield_core.errors import JackfieldError
from jackfield_core.observability import logging
from jackfield_core.segments.manager import SegmentManager
from jackfield_core.services.driver import DriverService

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

T = TypeVar("T")

LARGEST_LIMIT = (1 << 31) - 1
"""As in the lists of the API: more than anybody reads, and a number that both databases take."""


def words(text: str | None) -> str | None:
    """Return *text* of an argument, if it is text: bytes that are no UTF-8 arrive as lone surrogates."""
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("it is not UTF-8") from None
    return text


ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="JACKFIELD_CONFIG", help="TOML file; variables JACKFIELD_… override it."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
DriverArgument = Annotated[
    str, typer.Argument(metavar="NAME", callback=words, help="Name of the driver, as in the settings.")
]
LimitOption = Annotated[int, typer.Option(min=1, max=LARGEST_LIMIT, help="Rows at most.")]
StateOption = Annotated[
    list[DeliveryState] | None, typer.Option(help="Only what is in this state; repeat for several.")
]

Step = Callable[[int, int], None]
"""Told how much of some work is done, of how much."""


def read_settings(path: Path | None, **overrides: Any) -> config.Settings:
    """Read the settings, or end with a sentence that the operator can act on."""
    try:
        settings = config.load(path, **overrides)
        # What ranges and types mean is known to the type drivers only.
        SegmentManager(settings.segments)
    except OSError as error:
        end(f"cannot read {path}: {error.strerror}")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        end(f"{path} is not TOML: {error}")
    except SettingsError as error:
        end(f"a variable JACKFIELD_… is not valid: {error}")
    except pydantic.ValidationError as error:
        end("the settings are not valid:\n  " + "\n  ".join(map(_fault, error.errors())))
    except ValueError as error:
        end(f"the settings are not valid:\n  {error}")
    return settings


def _fault(error: "ErrorDetails") -> str:
    """Return a line that names the field and the fact."""
    return f"{'.'.join(map(str, error['loc'])) or 'settings'}: {error['msg'].removeprefix('Value error, ')}"


def expect_schema(settings: config.Settings) -> None:
    """Go on only with a database of this release."""
    if pending := ask_database(migrate.pending(settings.database)):
        end(f"the database lacks the migrations {', '.join(pending)}: run `jackfield db upgrade`")


def ask_database(question: Coroutine[Any, Any, T]) -> T:
    """Return the answer, or end with what the database said."""
    try:
        return asyncio.run(question)
    except migrate.UnknownRevision as error:
        end(str(error))
    except (OSError, sqlalchemy.exc.SQLAlchemyError) as error:
        reason = getattr(error, "orig", None) or error
        end(f"the database does not answer: {reason}")


def operator_settings(path: Path | None) -> config.Settings:
    """Read the settings for a command that looks at the database and at drivers; its output is all that it prints."""
    settings = read_settings(path)
    logging.configure(settings.logging.model_copy(update={"level": "ERROR"}))
    expect_schema(settings)
    return settings


def ask_drivers(settings: config.Settings, question: Callable[[DriverService, RequestContext], Awaitable[T]]) -> T:
    """Ask the service of drivers, or end with what it said."""

    async def ask() -> T:
        database = Database(settings.database, settings.notifier_names)
        try:
            return await question(DriverService(database, settings), caller())
        finally:
            await database.close()

    try:
        return ask_database(ask())
    except JackfieldError as error:
        end(error.message)


def caller() -> RequestContext:
    """Return who runs the command, as it is noted with what he does."""
    return RequestContext(request_id=f"cli-{getpass.getuser()}@{socket.gethostname()}"[:64])


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
