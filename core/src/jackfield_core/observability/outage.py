"""Tell a database that is away from a mistake of ours.

A request that fails because the database is restarted, full, or out of
connections succeeds later as it stands; so its client is told to come back.
What is left over, such as a column that does not exist, is a bug.
"""

import asyncpg
import sqlalchemy.exc

_AWAY = ("08", "53", "57")
"""Classes of SQLSTATE: connection exceptions, insufficient resources, operator intervention."""
_NOT_ACCEPTING = "55000"
"""SQLSTATE of a database that takes no connections for now."""
_SQLITE_AWAY = (
    "SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_LOCKED", "SQLITE_NOMEM", "SQLITE_READONLY",
)  # fmt: skip


def is_outage(error: BaseException) -> bool:
    """Return whether *error* came of a database that cannot do now what it will do later."""
    if isinstance(error, OSError | sqlalchemy.exc.InterfaceError | sqlalchemy.exc.TimeoutError):
        return True
    cause: BaseException | None = error
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        if error.connection_invalidated:
            return True
        cause = error.orig
    if isinstance(cause, asyncpg.InternalClientError):
        # The server has ended the connection a moment ago, and the driver waits for what does not come any more.
        return True
    if isinstance(cause, asyncpg.InterfaceError) and "closed" in str(cause):
        # The connection broke before the statement was sent, so no server has given it a SQLSTATE.
        return True
    sqlstate = str(getattr(cause, "sqlstate", None) or "")
    return (
        sqlstate.startswith(_AWAY)
        or sqlstate == _NOT_ACCEPTING
        or str(getattr(cause, "sqlite_errorname", "")).startswith(_SQLITE_AWAY)
    )
