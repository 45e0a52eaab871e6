"""Questions of commands to the database: one that does not answer, or is of another release, ends the command."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import sqlalchemy.exc

from jackfield_core import config
from jackfield_core.cli.console import end
from jackfield_core.db import revision

T = TypeVar("T")


def expect_schema(settings: config.Settings) -> None:
    """Go on only with a database of this release."""
    if pending := ask_database(revision.pending(settings.database)):
        end(f"the database lacks the migrations {', '.join(pending)}: run `jackfield db upgrade`")


def upgrade(settings: config.Settings) -> list[str]:
    """Bring the database to this release; return the revisions that were applied."""
    if not ask_database(revision.pending(settings.database)):
        return []
    # Most starts find nothing to do, and need not load Alembic for that.
    from jackfield_core.db import migrate

    return ask_database(migrate.upgrade(settings.database))


def ask_database(question: Coroutine[Any, Any, T]) -> T:
    """Return the answer, or end with what the database said."""
    try:
        return asyncio.run(question)
    except revision.UnknownRevision as error:
        end(str(error))
    except (OSError, sqlalchemy.exc.SQLAlchemyError) as error:
        reason = getattr(error, "orig", None) or error
        end(f"the database does not answer: {reason}")
