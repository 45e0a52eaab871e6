"""On which backends a listing finds a resource, and on which it was at the audit before.

The core does not know where a resource belongs: the driver decides, and may move
it whenever something else changes. What was on two switches, is on one of them
now, and was not touched in between, somebody may have removed by hand. So it is
told once more, unless the driver says that it would do nothing. After that, where
it is found is where it was: no alarm is given twice.
"""

from collections.abc import Callable, Collection, Iterator, Sequence

from jackfield_core.db.spread import Spread
from jackfield_core.types import Kind

MOST_BACKENDS = 1000
"""Backends that are told apart; of what is on others it is only known that it is there."""

RevisionOf = Callable[[Kind, str], int | None]
"""Returns the acknowledged revision of a resource, None if nothing is judged of it."""


class Whereabouts:
    """Where resources are found, and where they were *before*."""

    def __init__(self, before: Sequence[Spread]) -> None:
        self._before: dict[Kind, dict[str, Spread]] = {kind: {} for kind in Kind}
        for one in before:
            self._before[Kind(one.kind)][one.resource_id] = one
        # A set of backends is a number, one bit for each: of a hundred thousand ports there are as many.
        self._bits: dict[str, int] = {}
        self.seen: dict[Kind, dict[str, int]] = {kind: {} for kind in Kind}
        """What is found, by kind and id, with the set of backends."""

    def take(self, kind: Kind, id: str, backend: str) -> None:
        """Take note of a resource on a backend."""
        found = self.seen[kind]
        found[id] = found.get(id, 0) | self._bit(backend)

    def thinned(self, kind: Kind, revision_of: RevisionOf, unreachable: Collection[str]) -> Iterator[tuple[str, int]]:
        """Yield what is gone from a backend that can be read, and is at the revision that it was there."""
        for id, before in self._before[kind].items():
            if id not in self.seen[kind] or revision_of(kind, id) != before.revision:
                continue
            if {*before.backends} - self._names(self.seen[kind][id]) - {*unreachable}:
                yield id, before.revision

    def news(
        self, kind: Kind, revision_of: RevisionOf, unreachable: Collection[str]
    ) -> tuple[Sequence[Spread], Sequence[str]]:
        """Return what is to be stored, and which ids are to be forgotten; what is owed is in motion."""
        now: dict[str, Spread] = {}
        for id, mask in self.seen[kind].items():
            before = self._before[kind].get(id)
            if before is None and mask & (mask - 1) == 0:
                continue
            unread = {*before.backends} & {*unreachable} if before else set()
            names = self._names(mask) | unread
            revision = revision_of(kind, id)
            if revision is not None and len(names) > 1:
                now[id] = Spread(kind, id, revision, tuple(sorted(names)))
        stored = [one for id, one in now.items() if one != self._before[kind].get(id)]
        # While a backend cannot be read, what is nowhere may be there.
        gone = [id for id in self._before[kind] if id not in now and (id in self.seen[kind] or not unreachable)]
        return stored, gone

    def _bit(self, backend: str) -> int:
        if not backend:
            return 0
        bit = self._bits.get(backend)
        if bit is None:
            if len(self._bits) >= MOST_BACKENDS:
                return 0
            bit = self._bits[backend] = 1 << len(self._bits)
        return bit

    def _names(self, mask: int) -> set[str]:
        return {name for name, bit in self._bits.items() if mask & bit}
