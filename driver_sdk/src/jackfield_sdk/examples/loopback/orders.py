"""What a fabric is told to do wrong, by a test or by a file that is read again whenever it changes.

Every order is given for a kind ("port") or for one action on it ("delete_port"). For a whole kind
`reject` means create and update, because a fabric that refuses deletes is a special case, while a
failure in postcommit means every action.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jackfield_sdk.context import Action
from jackfield_sdk.resources import Kind

log = structlog.get_logger("jackfield_sdk")


class Delay(BaseModel):
    """Seconds that every call takes longer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    precommit: float = Field(default=0.0, ge=0)
    postcommit: float = Field(default=0.0, ge=0)
    bind: float = Field(default=0.0, ge=0)


class Orders(BaseModel):
    """What to do wrong; nothing by default. This is the JSON of `--script`.

    `reject`: precommit refuses with the reason. `fail_postcommit`: to be retried, with the reason.
    `infeasible`: cannot become true, with the reason. `in_progress`: so many times is each
    revision answered with "ask again" before it is done. `unreachable`: the backends that cannot be
    reached, each with the reason.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    reject: dict[str, str] = Field(default_factory=dict)
    fail_postcommit: dict[str, str] = Field(default_factory=dict)
    infeasible: dict[str, str] = Field(default_factory=dict)
    delay: Delay = Delay()
    in_progress: int = Field(default=0, ge=0)
    unreachable: dict[str, str] = Field(default_factory=dict)

    def rejection_of(self, action: Action, kind: Kind) -> str | None:
        """Return why precommit refuses, or None."""
        exact = self.reject.get(f"{action}_{kind}")
        return exact if exact is not None or action is Action.DELETE else self.reject.get(kind)

    def failure_of(self, action: Action, kind: Kind) -> str | None:
        """Return why postcommit fails for now, or None."""
        return self.fail_postcommit.get(f"{action}_{kind}", self.fail_postcommit.get(kind))

    def infeasibility_of(self, action: Action, kind: Kind) -> str | None:
        """Return why postcommit can never succeed, or None."""
        return self.infeasible.get(f"{action}_{kind}", self.infeasible.get(kind))


class Script:
    """A file with orders. Without the file there are none; a broken one leaves the last in force."""

    def __init__(self, path: Path) -> None:
        """Read `path` at the first question."""
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._orders = Orders()

    def orders(self) -> Orders:
        """Return the orders in force, which are those of the file as it is now."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            self._orders = Orders() if stamp is None else self._read()
        return self._orders

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _read(self) -> Orders:
        try:
            orders = Orders.model_validate_json(self._path.read_bytes())
        except (ValidationError, OSError) as error:
            log.error("script.unreadable", path=str(self._path), error=str(error))
            return self._orders
        log.info("script.read", path=str(self._path), orders=orders.model_dump(exclude_defaults=True))
        return orders


class Told:
    """The orders that a test gives to what it holds in its hand; `read_orders` may be a script's instead."""

    def __init__(self) -> None:
        """Be told nothing."""
        self._told = Orders()
        self.read_orders: Callable[[], Orders] = lambda: self._told

    def reject(self, what: Kind | str, reason: str) -> None:
        """Refuse a kind ("network") or an action on it ("delete_network") in precommit."""
        self._tell(reject={**self._told.reject, str(what): reason})

    def fail_postcommit(self, what: Kind | str, reason: str) -> None:
        """Fail a kind or an action in postcommit, to be retried."""
        self._tell(fail_postcommit={**self._told.fail_postcommit, str(what): reason})

    def infeasible(self, what: Kind | str, reason: str) -> None:
        """Fail a kind or an action in postcommit for good."""
        self._tell(infeasible={**self._told.infeasible, str(what): reason})

    def delay(self, **seconds: float) -> None:
        """Take longer in `precommit`, `postcommit` or `bind`, each given in seconds."""
        self._tell(delay=Delay(**{**self._told.delay.model_dump(), **seconds}))

    def in_progress(self, times: int) -> None:
        """Answer each revision so many times with "ask again" before it is done."""
        self._tell(in_progress=times)

    def cut_off(self, backend: str, reason: str) -> None:
        """Let a backend be out of reach: neither read nor written."""
        self._tell(unreachable={**self._told.unreachable, backend: reason})

    def accept(self) -> None:
        """Forget everything that was told: from now on all is well."""
        self._told = Orders()

    def _tell(self, **changes: Any) -> None:
        self._told = self._told.model_copy(update=changes)
