"""How a hook refuses. Each error is named for what the core does next.

`Rejected` ends a precommit: the user's request fails with the driver's words. The others say
that a change is not true yet, and the core keeps owing it: `RetryLater` soon, `Infeasible` and
`DeviceConflict` rarely. Any other exception is a fault of the driver. Its text stays in the
driver's log, because it may hold an address, a credential or a path.

`reason` is a sentence for the operator. `code` is a stable name for machines, `[A-Z0-9_]`, at
most 63 bytes: dashboards and alerts match on it, so it does not change with the wording.
"""

from __future__ import annotations

import re
from enum import StrEnum

from jackfield_sdk.reasons import ChangeReason

_CODE = re.compile(r"[A-Z0-9_]{1,63}")


class Effect(StrEnum):
    """What a failed call may have left on the device."""

    NONE = "none"
    MAYBE = "maybe"
    PARTIAL = "partial"


class DriverError(Exception):
    """The family of answers that are not a yes."""

    default_code: str = ChangeReason.DRIVER_ERROR

    def __init__(
        self,
        reason: str,
        *,
        code: str = "",
        user_message: str = "",
        effect: Effect = Effect.MAYBE,
    ) -> None:
        """Say why. `user_message` is shown to the user of the API; empty shows nothing of ours."""
        super().__init__(reason)
        self.reason = reason
        self.code = checked_code(code or self.default_code)
        self.user_message = user_message
        self.effect = effect


class RetryLater(DriverError):
    """Cannot be made true now: the core backs off and calls again, not before `delay` seconds."""

    default_code = ChangeReason.RETRY_LATER

    def __init__(
        self,
        reason: str,
        delay: float | None = None,
        *,
        code: str = "",
        user_message: str = "",
        effect: Effect = Effect.MAYBE,
    ) -> None:
        """Say why, and when it makes sense to call again; None leaves that to the core."""
        super().__init__(reason, code=code, user_message=user_message, effect=effect)
        self.delay = delay


class Infeasible(DriverError):
    """Cannot become true as it stands: the core calls again rarely, or when the resource changes."""

    default_code = ChangeReason.INFEASIBLE


class DeviceConflict(DriverError):
    """The device holds something in this place that is not ours: the operator has to look."""

    default_code = ChangeReason.DEVICE_CONFLICT


class Rejected(Exception):
    """Precommit: the change must not be made. `message` is shown to the user of the API.

    `field` names the attribute at fault as the API does; the answer is then 400, otherwise 409.
    """

    def __init__(self, message: str, *, reason: str = ChangeReason.REJECTED, field: str = "") -> None:
        """Refuse with a sentence that names the object and the fact."""
        super().__init__(message)
        self.message = message
        self.reason = checked_code(reason)
        self.field = field


def checked_code(code: str) -> str:
    """Return `code` if it is a stable name; ValueError otherwise, at the line that wrote it."""
    if not _CODE.fullmatch(code):
        raise ValueError(f"{code!r} is no stable name: 1 to 63 of A-Z, 0-9 and _")
    return code
