"""How commands read settings, ask the database, and speak to the operator.

Whatever goes wrong on the way ends the command with a sentence that can be acted
on, and status 2.
"""

import asyncio
import sys
import tomllib
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import pydantic
import sqlalchemy.exc
import typer
from pydantic_settings import SettingsError
from rich.console import Console
from rich.table import Table

from jackfield_core import config
from jackfield_core.db import migrate
from jackfield_core.db.base import now
from jackfield_core.segments.manager import SegmentManager

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

T = TypeVar("T")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="JACKFIELD_CONFIG", help="TOML file; variables JACKFIELD_… override it."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


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


def end(message: str) -> NoReturn:
    """End the command with *message*."""
    typer.echo(f"jackfield: {message}", err=True)
    raise typer.Exit(2)


def zoned(values: dict[str, Any]) -> dict[str, Any]:
    """Say of times that they are UTC, which the database leaves out."""
    return {name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for name, value in values.items()}


def age(since: datetime | None) -> str:
    """Return how long ago that was, in words for a table; empty for None."""
    if since is None:
        return ""
    seconds = int((now() - since).total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, as wide as it has to be."""
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    # A pipe has no width; a table cut at 80 columns is of no use to grep.
    Console(width=None if sys.stdout.isatty() else 240).print(table)
