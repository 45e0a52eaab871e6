"""Trying again, when another transaction was faster.

Services read and ask drivers outside the transaction, and then check inside it
that what they read still stands. If it does not they raise :class:`Stale`, the
transaction rolls back, and the whole method runs again on fresh data. The same
happens when the database ends one of two transactions that waited for each
other; nobody is at fault then, so whoever writes to the ledger in the
background is run again as well. Precommit hooks of drivers may therefore be
called more than once.
"""

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import sqlalchemy.exc

from jackfield_core.errors import Conflict

P = ParamSpec("P")
T = TypeVar("T")

ATTEMPTS = 10
_SERIALIZATION = {"40001", "40P01"}


class Stale(Exception):
    """Raised when something that was read before the transaction has changed."""


def retried(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """Run a method again when it lost a race; *method* must be safe to repeat.

    Raises:
        Conflict: The race was lost ten times.
    """

    @functools.wraps(method)
    async def attempt(*args: P.args, **kwargs: P.kwargs) -> T:
        for number in range(ATTEMPTS):
            try:
                return await method(*args, **kwargs)
            except Stale:
                pass
            except sqlalchemy.exc.DBAPIError as error:
                if not _lost_race(error):
                    raise
            await asyncio.sleep(random.uniform(0, 0.01 * 2**number))
        raise Conflict("The resources were changed by others all the time; please try again.", type="RetryRequest")

    return attempt


def _lost_race(error: sqlalchemy.exc.DBAPIError) -> bool:
    code = getattr(error.orig, "sqlstate", None)
    return code in _SERIALIZATION or "database is locked" in str(error.orig)
