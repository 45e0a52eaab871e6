"""What a switch refuses, or does not answer, in words that an operator can act on.

Every error names the switch, the object and the fact. `code` is stable for machines, `retry` says
whether the same attempt can succeed as things stand, and `effect` what may be on the switch now.
Nothing that was used to log in is ever part of an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from jackfield_sdk import DeviceConflict, DriverError, Effect, Infeasible, RetryLater

from jackfield_arista.configuration.difference import Obstacle


class SwitchError(Exception):
    """The family of a switch's failures. `reason` is the sentence for the operator."""

    code: str
    retry: ClassVar[bool] = True

    def __init__(self, switch: str, fact: str, *, effect: Effect = Effect.NONE) -> None:
        """Say what is the matter with which switch."""
        super().__init__(f'switch "{switch}": {fact}')
        self.switch = switch
        self.fact = fact
        self.effect = effect

    @property
    def reason(self) -> str:
        """Return the whole sentence."""
        return str(self)

    def answer(self) -> DriverError:
        """Return what a hook answers because of it."""
        kind = RetryLater if self.retry else Infeasible
        return kind(self.reason, code=self.code, effect=self.effect)


class Unreachable(SwitchError):
    """No session: no route, no answer in time, or the session ended before anything was changed."""

    code = "SWITCH_UNREACHABLE"


class AuthenticationFailed(SwitchError):
    """The switch refused the login, or the login cannot be read."""

    code = "SWITCH_LOGIN_REFUSED"


class HostKeyUnknown(SwitchError):
    """Nobody has said which key this switch has."""

    code = "HOST_KEY_UNKNOWN"


class HostKeyChanged(SwitchError):
    """The switch shows another key than it should: it was exchanged, or somebody stands in between."""

    code = "HOST_KEY_CHANGED"


class LockHeld(SwitchError):
    """Somebody else edits the switch. `session_id` is theirs, as the switch tells it."""

    code = "SWITCH_LOCKED"

    def __init__(self, switch: str, datastore: str, session_id: str) -> None:
        """Name the datastore and the session that holds it (empty if the switch does not say)."""
        holder = f"session {session_id}" if session_id else "another session"
        super().__init__(switch, f"{holder} holds the lock of its {datastore} configuration")
        self.session_id = session_id


class TurnTaken(SwitchError):
    """Another process of the driver is at the switch, and does not end its turn. `path` is the file that it locks."""

    code = "SWITCH_BUSY"

    def __init__(self, switch: str, path: Path) -> None:
        """Name the file, because who holds it is found by that."""
        super().__init__(switch, f"another process of this driver is at it, and holds {path}")
        self.path = path


@dataclass(frozen=True, slots=True)
class Refusal:
    """One `rpc-error` of a reply (RFC 6241, 4.3). `path` and `message` are empty if the switch does not say."""

    tag: str
    path: str = ""
    message: str = ""
    session_id: str = ""

    def __str__(self) -> str:
        place = f" at {self.path}" if self.path else ""
        return f"{self.tag}{place}" + (f": {self.message}" if self.message else "")


class RpcFailed(SwitchError):
    """The switch refused a request. `tag`, `path` and `message` are those of its first error (RFC 6241, 4.3)."""

    code = "SWITCH_REFUSED"

    def __init__(
        self, switch: str, operation: str, refusals: tuple[Refusal, ...], *, effect: Effect = Effect.NONE
    ) -> None:
        """Quote every error of the reply."""
        said = "; ".join(str(refusal) for refusal in refusals)
        super().__init__(switch, f"refuses {operation}: {said}", effect=effect)
        self.operation = operation
        self.refusals = refusals

    @property
    def tag(self) -> str:
        """Return the first error's tag, as `invalid-value`."""
        return self.refusals[0].tag

    @property
    def path(self) -> str:
        """Return where the first error is, empty if the switch does not say."""
        return self.refusals[0].path

    @property
    def message(self) -> str:
        """Return the switch's own words."""
        return self.refusals[0].message


class CommitLost(SwitchError):
    """The session ended while a change was being made: it may be true or not, and the next look tells."""

    code = "COMMIT_LOST"


class NotTaken(SwitchError):
    """The switch said yes, and its configuration is not what was asked."""

    code = "CHANGE_NOT_TAKEN"


class TrialOver(SwitchError):
    """The switch answers so slowly that it ended a commit on trial before anybody could confirm it."""

    code = "SWITCH_SLOW"


class UnhealthyAfterCommit(SwitchError):
    """Something that worked before the change did not after it, so the change was taken back."""

    code = "SWITCH_UNHEALTHY"


class NotSaved(SwitchError):
    """The change is true, and would be gone after a restart of the switch."""

    code = "NOT_SAVED"


class Obstructed(SwitchError):
    """Something of somebody else is in the place of what we have to make. `code` says what: `VLAN_TAKEN`."""

    def __init__(self, switch: str, obstacle: Obstacle) -> None:
        """Say what stands in the way on which switch."""
        super().__init__(switch, obstacle.fact)
        self.code = obstacle.cause.upper()

    def answer(self) -> DriverError:
        """Return that the operator has to look."""
        return DeviceConflict(self.reason, code=self.code, effect=self.effect)
