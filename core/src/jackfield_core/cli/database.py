"""Questions of commands to the database: one that does not answer, or is of another release, ends the command."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import sqlalchemy.exc

from jackfield_core import config
from jackfield_core.cli.console import end
from jackfield_core.db import migrate

T = TypeVar("T")


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
