"""What operators' commands begin with: settings, a database that fits, and the service that they ask.

It is the service that the API has, so both say and do the same, also while no
core runs.
"""

import getpass
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from jackfield_core import config
from jackfield_core.cli.console import end
from jackfield_core.cli.database import ask_database, expect_schema
from jackfield_core.cli.settings import read_settings
from jackfield_core.context import RequestContext
from jackfield_core.db.engine import Database
from jackfield_core.errors import JackfieldError
from jackfield_core.observability import logging
from jackfield_core.services.driver import DriverService

T = TypeVar("T")


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
