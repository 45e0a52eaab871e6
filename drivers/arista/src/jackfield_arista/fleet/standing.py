"""How the last turns at a switch went, and what that means for the next one.

Who cannot be reached is left alone: every change is answered at once with the reason, and only the trials
of the breaker are turns. Who answers and says no is tried again at the same pace, and whatever else is
wanted of him meanwhile is made.
"""

from __future__ import annotations

from jackfield_sdk import DriverError, Effect, RetryLater

from jackfield_arista.device.errors import (
    AuthenticationFailed,
    CommitLost,
    HostKeyChanged,
    HostKeyUnknown,
    Unreachable,
)
from jackfield_arista.fleet.breaker import Breaker, Outage

_AWAY = (Unreachable, AuthenticationFailed, HostKeyUnknown, HostKeyChanged, CommitLost)


class Standing:
    """Of one switch. One thread tells how turns went; everybody may look."""

    def __init__(self, retry_min: float, retry_max: float) -> None:
        """Stand well; seconds of the first pause after a failure, and of the longest."""
        self._away = Breaker(retry_min, retry_max)
        self._trouble = Breaker(retry_min, retry_max)

    def went_well(self) -> None:
        """Take note of a turn that came to its end, or that there is no interest in how the switch is."""
        self._away.close()
        self._trouble.close()

    def failed(self, error: Exception, answer: DriverError) -> bool:
        """Take note of a turn that failed, and return whether the switch is away; `answer` is why, for who asks."""
        if isinstance(error, _AWAY):
            self._away.open(answer)
            return True
        self._away.close()
        self._trouble.open(answer)
        return False

    @property
    def outage(self) -> Outage | None:
        """Why it is away; None if it is not."""
        return self._away.outage

    @property
    def trouble(self) -> Outage | None:
        """Why its last turn failed, although it answered; None if it did not."""
        return self._trouble.outage

    @property
    def next_trial(self) -> float:
        """When it is tried again, on the monotonic clock; meaningless if nothing failed."""
        return self._away.next_trial if self._away.outage else self._trouble.next_trial

    @property
    def refusal(self) -> DriverError | None:
        """What every change for it is answered with now; None if it is taken along."""
        outage = self._away.outage
        if outage is None:
            return None
        reason = f"{outage.error.reason}, since {outage.since:%Y-%m-%d %H:%M:%S} UTC"
        return RetryLater(reason, code=outage.error.code, effect=Effect.NONE)
