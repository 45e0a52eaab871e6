"""The search for a binding, level by level, without any input or output.

A fabric driver may bind the switch's part of a path and ask for a segment of
another type between switch and host; the next level is then offered that
segment. The search is a dialogue: it yields what has to be asked or allocated,
is sent the answer, and returns what it found. So many ports can search at the
same time while somebody else bundles their questions into few calls.

    level 0   vxlan 5001    bound by "fabric", which wants a VLAN at the leaf
    level 1   vlan 120      bound by "ovs", which plugs the host

A driver that does not bind is skipped for the next one in the configured order;
if nobody binds a level, the driver above it is given up and the next one tried.
Of each that did not bind there is a note, with the level and, below the top, the
segment that it was about: a port whose binding failed will want that one again.
"""

from collections.abc import Generator, Sequence
from typing import Any

from msgspec import Struct

from jackfield_core.db.driver import BindCapability
from jackfield_core.db.segment import Segment
from jackfield_core.mechanism.answers import BindAnswer, Bound, NextLevel, Skip, Veto
from jackfield_core.types import BindingLevel

MAX_LEVELS = 10


class Candidate(Struct, frozen=True):
    """A driver that binds ports, and which."""

    name: str
    bind: BindCapability


class Ask(Struct, frozen=True):
    """Ask *driver* to bind one of *segments*; send the answer, or why there is none."""

    driver: str
    level: int
    segments: tuple[Segment, ...]
    bound_levels: tuple[BindingLevel, ...]


class Want(Struct, frozen=True):
    """Allocate a segment for the next level; send it, or why there is none."""

    network_type: str
    physical_network: str | None


class Found(Struct, frozen=True):
    """A complete binding; *wired* if nothing on the host has to wire the port."""

    levels: tuple[BindingLevel, ...]
    vif_type: str
    vif_details: dict[str, Any]
    wired: bool


Step = Ask | Want
Reply = BindAnswer | Segment | str
Dialogue = Generator[Step, Reply, Found | None]


class _Vetoed(Exception):
    """Ends a search."""


class Search:
    """The search for one port's binding; *failures* says why drivers did not bind."""

    def __init__(self, drivers: Sequence[Candidate], vnic_type: str, segments: tuple[Segment, ...]) -> None:
        self._drivers = drivers
        self._vnic_type = vnic_type
        self._segments = segments
        self.failures: list[dict[str, Any]] = []

    def run(self) -> Dialogue:
        """Yield the steps of the search; return the binding, or None if nobody binds the port."""
        try:
            return (yield from self._bind(self._segments, ()))
        except _Vetoed:
            return None

    def note(self, driver: str, level: int, reason: str, segments: Sequence[Segment] = ()) -> None:
        """Remember why *driver* did not bind at *level*; below the top that was about the one of *segments*."""
        about = {"segment_id": segments[0].id} if level and segments else {}
        self.failures.append({"driver": driver, "level": level, **about, "reason": reason})

    def _bind(self, segments: tuple[Segment, ...], above: tuple[BindingLevel, ...]) -> Dialogue:
        level = len(above)
        for driver in self._drivers:
            offered, reason = _offer(driver, self._vnic_type, segments, above)
            if not offered:
                self.note(driver.name, level, reason, segments)
                continue
            found = yield from self._try(driver, level, offered, above)
            if found:
                return found
        return None

    def _try(
        self, driver: Candidate, level: int, offered: tuple[Segment, ...], above: tuple[BindingLevel, ...]
    ) -> Dialogue:
        answer = yield Ask(driver.name, level, offered, above)
        match answer:
            case Bound(segment_id, vif_type, vif_details, wired):
                levels = (*above, BindingLevel(level, driver.name, segment_id))
                return Found(levels, vif_type, vif_details, wired)
            case NextLevel(segment_id):
                return (yield from self._descend(answer, (*above, BindingLevel(level, driver.name, segment_id))))
            case Veto(reason):
                self.note(driver.name, level, reason or "it vetoed the binding and gave no reason", offered)
                raise _Vetoed
            case Skip(reason):
                self.note(driver.name, level, reason or "it does not bind this port and gave no reason", offered)
            case str():
                self.note(driver.name, level, answer, offered)
        return None

    def _descend(self, answer: NextLevel, bound: tuple[BindingLevel, ...]) -> Dialogue:
        last = bound[-1]
        if len(bound) == MAX_LEVELS:
            self.note(last.driver, last.level, f"it wants more than {MAX_LEVELS} levels")
            return None
        segment = yield Want(answer.network_type, answer.physical_network)
        if not isinstance(segment, Segment):
            self.note(last.driver, last.level, f"no segment for the next level: {segment}")
            return None
        return (yield from self._bind((segment,), bound))


def _offer(
    driver: Candidate, vnic_type: str, segments: tuple[Segment, ...], above: tuple[BindingLevel, ...]
) -> tuple[tuple[Segment, ...], str]:
    """Return the segments that a driver may choose from, or none and the reason."""
    bind = driver.bind
    if bind.vnic_types and vnic_type not in bind.vnic_types:
        return (), f'it does not bind VNIC type "{vnic_type}"'
    mine = [level.segment_id for level in above if level.driver == driver.name]
    if len(mine) >= bind.max_levels:
        return (), f"it takes part in {bind.max_levels} level(s) of a binding"
    fitting = tuple(
        segment for segment in segments if not bind.network_types or segment.network_type in bind.network_types
    )
    if not fitting:
        types = ", ".join(sorted({segment.network_type for segment in segments})) or "none"
        return (), f"it does not bind the network types of this level: {types}"
    # Binding the same segment again would go round in circles.
    return tuple(segment for segment in fitting if segment.id not in mine), "it has bound this segment already"
