"""Finds out soon whether a process that keeps a user waiting lives, and when one that was silent is well again.

A user's request must not pay for finding out. So while a call that somebody
waits for is late, the process is asked for its health, and one that does not
answer even that is left alone at once, long before the health checks of the
connection would give it up. One that answered anything meanwhile lives, and a
core that was itself late has heard nothing because of that: then it asks again.
One that has much to do gets more time. Nor does a user's request try whether a
silent process is well: a health check waits for it, and answers the moment it
wakes; if it was healthy but did not answer a call, that same call, which has no
side effects, is made again in the background.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from grpc_health.v1 import health_pb2

from jackfield_core.mechanism.answers import Garbage, NoVerdict
from jackfield_core.mechanism.breaker import Breaker
from jackfield_core.mechanism.client import HEALTH, DriverClient, Rpc

LATE = 0.05
"""Seconds after which a call that a user waits for is late."""
MARGIN = 0.01
"""Seconds before the end of the precommit budget when a process must have given a sign of life."""
SHORTEST = 0.1
"""Seconds for a sign of life at least, however small the budget."""
EACH = 0.001
"""Seconds more for each change and request that the process has been given and not answered."""
BUSY = 0.03
"""Seconds by which a time limit is noticed too late if this process has more to do than it can."""
ATTEMPTS = 10
"""Times that a sign of life is asked for; whoever is still in doubt then has to wait for the breaker."""
PAUSE = 0.5
"""Seconds between attempts to wait for a process whose connection answers with errors."""

UNKNOWN_OUTCOME = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN", "INTERNAL"})
"""Codes that a broken connection or a dying process leave behind; the others are somebody's answer."""


class Unanswered(NamedTuple):
    """A call without side effects that got no answer."""

    rpc: Rpc[Any, Any]
    request: Any
    timeout: float


class Doubt:
    """Doubts about one driver; *on_silent* hears of one without a sign of life, *on_well* that it answers again.

    *budget* is that of precommit, in seconds: who is patient with verdicts is
    patient with signs of life.
    """

    def __init__(
        self, breaker: Breaker, budget: float, on_silent: Callable[[DriverClient], None], on_well: Callable[[], None]
    ) -> None:
        self._breaker = breaker
        self._patience = max(SHORTEST, budget - LATE - MARGIN)
        self._on_silent = on_silent
        self._on_well = on_well
        self.work = 0
        """Changes and requests that the process has been given and not answered."""
        self._heard_at = 0.0
        self._asking: asyncio.Task[None] | None = None
        self._recovery: asyncio.Task[None] | None = None

    def heard(self) -> None:
        """Note an answer, whatever it says: the process lives."""
        self._heard_at = time.monotonic()

    def when_late(self, client: DriverClient) -> asyncio.TimerHandle:
        """Look for a sign of life, unless the timer is cancelled because the call has ended."""
        return asyncio.get_running_loop().call_later(LATE, self._ask, client)

    def await_recovery(self, client: DriverClient, unanswered: Unanswered | None) -> None:
        """Report the driver well when it answers: *unanswered*, if given, or else a health check."""
        self.forget()
        self._recovery = asyncio.ensure_future(self._recover(client, unanswered))

    def forget(self) -> None:
        """End all doubts, because the connection that they are about is gone or fine."""
        task, self._recovery = self._recovery, None
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def _ask(self, client: DriverClient) -> None:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(self._look_for_life(client))

    async def _look_for_life(self, client: DriverClient) -> None:
        for _ in range(ATTEMPTS):
            began, patience = time.monotonic(), self._patience + EACH * self.work
            try:
                await client.call(HEALTH, health_pb2.HealthCheckRequest(), patience)
                return
            except NoVerdict as error:
                if error.code != "DEADLINE_EXCEEDED":
                    return
            is_busy = time.monotonic() - began > patience + BUSY
            if not is_busy and self._heard_at < began:
                self._on_silent(client)
                return

    async def _recover(self, client: DriverClient, unanswered: Unanswered | None) -> None:
        while True:
            if await self._has_life(client) and await self._answers(client, unanswered):
                self._on_well()
                return
            await asyncio.sleep(PAUSE)

    async def _has_life(self, client: DriverClient) -> bool:
        """Wait for a sign of life, for as long as the breaker's pause between trials."""
        try:
            await client.call(HEALTH, health_pb2.HealthCheckRequest(), self._breaker.retry)
        except NoVerdict as error:
            return error.code == "UNIMPLEMENTED"
        return True

    async def _answers(self, client: DriverClient, unanswered: Unanswered | None) -> bool:
        if unanswered is None:
            return True
        await asyncio.sleep(self._breaker.pause)
        try:
            await client.call(*unanswered)
        except Garbage:
            return True
        except NoVerdict as error:
            if error.has_error_info or error.code not in UNKNOWN_OUTCOME:
                return True
            self._breaker.fail()
            return False
        return True
