"""A listing, held against what is expected while it comes in.

Of what is listed only ids are kept: those that were seen, each with a number for
its backends, and the few that differ. Several backends may hold the same
resource, as two switches hold the same network; it is as it should be if it is so
on each of them, and on all those on which it was before.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from jackfield_core.audit.expectation import Expectation
from jackfield_core.audit.findings import Difference, Finding
from jackfield_core.audit.whereabouts import Whereabouts
from jackfield_core.db.base import now
from jackfield_core.db.driver_audit import UnreachableBackend
from jackfield_core.db.spread import Spread
from jackfield_core.mechanism.listing import Owned
from jackfield_core.types import Kind

MOST_UNREACHABLE = 1000
"""Backends that are remembered as unreachable."""

Suspects = Sequence[tuple[str, int]]
"""Ids of one kind with the revisions that their driver has acknowledged."""


class Tally:
    """What one listing tells."""

    def __init__(self, expectation: Expectation) -> None:
        self._expectation = expectation
        self._whereabouts = Whereabouts(expectation.spread)
        self._seen = self._whereabouts.seen
        self._changed: dict[Kind, set[str]] = {kind: set() for kind in Kind}
        self.since: datetime = now()
        """When the listing began."""
        self.listed = 0
        """How many resources were listed so far, each of them counted once."""
        self.unknown: dict[Kind, dict[str, int]] = {kind: {} for kind in Kind}
        """Ids that the ledger has no row for, with the highest revision that is listed."""
        self.grown: dict[Kind, set[str]] = {kind: set() for kind in Kind}
        """Orphans that wait for an operator, and are listed at a higher revision than when they were found."""
        self.unreachable: dict[str, UnreachableBackend] = {}
        """By name of the backend."""

    @property
    def expected(self) -> int:
        """How many resources the listing should have."""
        return self._expectation.judged

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of which anything is listed."""
        return frozenset(kind for kind in Kind if self._seen[kind] or self.unknown[kind])

    def take(self, owned: Owned) -> None:
        """Take note of a resource on one backend."""
        kind, id = owned.kind, owned.id
        if not self._expectation.knows(owned):
            revisions = self.unknown[kind]
            self.listed += id not in revisions
            revisions[id] = max(owned.revision, revisions.get(id, 0))
            return
        self.listed += id not in self._seen[kind]
        self._whereabouts.take(kind, id, owned.backend)
        if owned.revision > self._expectation.held[kind].get(id, owned.revision):
            self._expectation.held[kind][id] = owned.revision
            self.grown[kind].add(id)
        if self._expectation.differs(owned):
            self._changed[kind].add(id)

    def miss(self, backends: Iterable[UnreachableBackend]) -> None:
        """Take note of backends that could not be read."""
        for backend in backends:
            if len(self.unreachable) < MOST_UNREACHABLE:
                self.unreachable[backend.backend] = backend

    def missing(self, kind: Kind) -> Suspects:
        """Return what is not there."""
        if self.unreachable:
            # What cannot be read is unknown, and nobody knows which backend holds what.
            return []
        seen = self._seen[kind]
        return [(id, revision) for id, revision in self._expectation.judged_of(kind) if id not in seen]

    def thinned(self, kind: Kind) -> Suspects:
        """Return what is gone from one backend, and still on another one."""
        thinned = self._whereabouts.thinned(kind, self._expectation.find_revision, self.unreachable)
        return [(id, revision) for id, revision in thinned if id not in self._changed[kind]]

    def spread(self, kind: Kind) -> tuple[Sequence[Spread], Sequence[str]]:
        """Return what is to be stored of where resources are, and which ids are to be forgotten."""
        return self._whereabouts.news(kind, self._expectation.find_revision, self.unreachable)

    def changed(self, kind: Kind) -> Suspects:
        """Return what is there, and not as it was made."""
        return [(id, self._expectation.revision(kind, id)) for id in self._changed[kind]]

    def held(self) -> tuple[Sequence[Finding], Sequence[Finding]]:
        """Return the orphans that wait for an operator: those that are still there, and those that are not."""
        there: list[Finding] = []
        gone: list[Finding] = []
        for kind, ids in self._expectation.held.items():
            for id, revision in ids.items():
                finding = Finding(Difference.ORPHAN, kind, id, revision)
                (there if self._may_be_there(kind, id) else gone).append(finding)
        return there, gone

    def _may_be_there(self, kind: Kind, id: str) -> bool:
        return id in self._seen[kind] or bool(self.unreachable)
