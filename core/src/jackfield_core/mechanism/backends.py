"""Which backends of one driver are not well, as the driver says itself.

It says so whenever it introduces itself, which every process of the core hears,
and at once over its stream of events, which those hear that deliver.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

import structlog
from msgspec import Struct

from jackfield_core.db.base import now
from jackfield_core.mechanism.answers import Backend

log = structlog.get_logger()

MOST = 1000
"""Backends of one driver that are remembered; more are no backends but a fault."""
_NAMED = 10


class Unwell(Struct, frozen=True):
    """A backend that is ``down`` or ``degraded``, and since when, as far as this process knows."""

    backend: Backend
    since: datetime


class Backends:
    """The backends of the driver called *name*."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._unwell: dict[str, Unwell] = {}

    @property
    def unwell(self) -> Mapping[str, Unwell]:
        """Those that are not well, by id."""
        return self._unwell

    @property
    def down(self) -> list[Unwell]:
        """Those that the driver cannot reach, by their ids."""
        return [self._unwell[id] for id in sorted(self._unwell) if self._unwell[id].backend.health == "down"]

    def introduced(self, backends: Iterable[Backend]) -> None:
        """Take note of all backends that there are."""
        told = {backend.id: backend for backend in backends}
        self._become({id: unwell for id, unwell in self._unwell.items() if id in told}, told.values())

    def note(self, backends: Iterable[Backend]) -> bool:
        """Take note of some backends; return whether others are unwell now, or in another way."""
        return self._become(dict(self._unwell), backends)

    def _become(self, unwell: dict[str, Unwell], told: Iterable[Backend]) -> bool:
        for backend in told:
            before = unwell.pop(backend.id, None)
            if backend.health in ("down", "degraded") and len(unwell) < MOST:
                is_known = before is not None and before.backend.health == backend.health
                unwell[backend.id] = Unwell(backend, before.since if before and is_known else now())
        is_news = _healths(unwell) != _healths(self._unwell)
        self._unwell = unwell
        if is_news:
            level = log.warning if unwell else log.info
            level("driver.backends", driver=self._name, unwell=dict(sorted(_healths(unwell).items())[:_NAMED]))
        return is_news


def _healths(unwell: Mapping[str, Unwell]) -> dict[str, str]:
    return {id: one.backend.health for id, one in unwell.items()}
