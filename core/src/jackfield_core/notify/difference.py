"""What a compute service has to be told: the difference between what it was told last and what is true.

Events follow from the difference and not from history, so what happened and was
undone before anybody could be told is not told. One thing counts although it
leaves no difference: a port that went down and came up again is plugged anew,
because whoever plugs a port waits to hear exactly that.

A request without an answer may have been heard or not. So it is told what is
true as it follows from either, until that is answered.

Each event brings what the compute service knows a step closer to the truth, so
that an answer that accepts some events and not others is not forgotten.

The events are those of Nova's API (``os-server-external-events``): after
``network-vif-plugged`` a server that waits for its port goes on; after
``network-changed`` the port is read anew; after ``network-vif-deleted`` it is
taken out of the server.
"""

from collections.abc import Collection, Sequence

from msgspec import Struct
from msgspec.structs import replace

from jackfield_core.db.notice import NO_VIF, Vif

MOST_DOUBTS = 16
"""Of what a compute service may know of one port; older ones are as good as certain to be over."""

PLUGGED = "network-vif-plugged"
UNPLUGGED = "network-vif-unplugged"
DELETED = "network-vif-deleted"
CHANGED = "network-changed"


class Event(Struct, frozen=True):
    """What is told: *name*, the UUID of the *server*, and the port as its *tag*."""

    name: str
    server: str
    tag: str


class Step(Struct, frozen=True):
    """An event, and what the compute service knows once it has accepted it."""

    event: Event
    known: Vif


def steps(port_id: str, told: Vif, true: Vif) -> Sequence[Step]:
    """Return what to tell of a port that exists, in order."""
    if not told.perhaps:
        return _certain_steps(port_id, told, true)
    events = {step.event for known in (told, *told.perhaps) for step in _certain_steps(port_id, known, true)}
    return _in_doubt(events, told, true.server)


def last_steps(port_id: str, told: Vif, last: Vif) -> Sequence[Step]:
    """Return what to tell of a port that was deleted, of which *last* was true."""
    others = [known for known in (told, *told.perhaps) if known.server != last.server]
    left = [step for known in others for step in _left(port_id, known)]
    if told.perhaps:
        left = _in_doubt({step.event for step in left}, told, last.server)
    return [*left, Step(Event(DELETED, last.server, port_id), NO_VIF)] if last.server else left


def doubted(told: Vif, true: Vif) -> Vif:
    """Return what a compute service knows of which *true* is told, and of which it has not answered that yet."""
    doubts = dict.fromkeys((*told.perhaps, replace(true, perhaps=())))
    return replace(told, perhaps=(*doubts,)[-MOST_DOUBTS:])


def _in_doubt(events: Collection[Event], told: Vif, server: str) -> list[Step]:
    """Return steps in order: a server that has lost the port before *server*; nothing is certain before the last."""

    def place(event: Event) -> tuple[bool, bool, str]:
        is_here = event.server == server
        return is_here, (event.name == CHANGED) is not is_here, event.server

    return [Step(event, told) for event in sorted(events, key=place)]


def _certain_steps(port_id: str, told: Vif, true: Vif) -> Sequence[Step]:
    if told.server == true.server:
        return _stayed(port_id, told, true)
    return [*_left(port_id, told), *_came(port_id, true)]


def _stayed(port_id: str, told: Vif, true: Vif) -> list[Step]:
    found = []
    current = replace(told, mac_address=true.mac_address, ip_addresses=true.ip_addresses)
    if current != told:
        found.append(Step(Event(CHANGED, true.server, port_id), current))
    if true.is_active and (not told.is_active or told.activations != true.activations):
        found.append(Step(Event(PLUGGED, true.server, port_id), true))
    if told.is_active and not true.is_active:
        found.append(Step(Event(UNPLUGGED, true.server, port_id), true))
    return found


def _left(port_id: str, told: Vif) -> list[Step]:
    """Return what a server is told that has no longer got the port."""
    if not told.server:
        return []
    unplugged = replace(told, is_active=False)
    found = [Step(Event(UNPLUGGED, told.server, port_id), unplugged)] if told.is_active else []
    return [*found, Step(Event(CHANGED, told.server, port_id), NO_VIF)]


def _came(port_id: str, true: Vif) -> list[Step]:
    """Return what a server is told that has taken the port, and has read it to do so."""
    return [Step(Event(PLUGGED, true.server, port_id), true)] if true.is_active else []
