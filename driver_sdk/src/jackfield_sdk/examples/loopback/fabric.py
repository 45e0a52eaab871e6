"""The fabric: what devices would hold, in three dicts, and what it was told to do wrong.

It behaves as a device should. Writing a revision twice changes nothing, a lower one never
overwrites a higher, and removing what is not there is a success. What belongs to another
deployment is left alone. What somebody changed by hand is known by the marks beside it, and is
written again whatever revision it bears.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from fnmatch import fnmatchcase
from zlib import crc32

from jackfield_sdk.context import Action, ChangeContext
from jackfield_sdk.errors import DeviceConflict, Effect, Infeasible, Rejected, RetryLater
from jackfield_sdk.examples.loopback.differences import differences
from jackfield_sdk.examples.loopback.held import Held, Mark
from jackfield_sdk.examples.loopback.orders import Told
from jackfield_sdk.resources import Kind, Network, Port, Subnet

_NO_MARK = Mark()


class Fabric(Told):
    """A fabric in memory. `networks`, `subnets` and `ports` map an id to what is held.

    It has one backend of its own name, or several; a network is on one of them, with all that
    stands on it. `owner` is the deployment that it is driven for.
    """

    def __init__(self, name: str = "loopback", epoch: str = "", backends: Sequence[str] = ()) -> None:
        """Be empty, with new epochs unless one is given."""
        super().__init__()
        self.name = name
        self.owner = ""
        self.epochs = {backend: epoch or str(uuid.uuid4()) for backend in backends or [name]}
        self.networks: dict[str, Held] = {}
        self.subnets: dict[str, Held] = {}
        self.ports: dict[str, Held] = {}
        self.marks: dict[tuple[Kind, str], Mark] = {}
        self.reserved_vlans: set[int] = set()
        self.refused_names: list[str] = []
        self.refuse_reason = 'network name "{name}" is reserved on this fabric'
        # Where a file backs the fabric: read what others wrote, write what changed here.
        self.transaction: Callable[[], AbstractContextManager[None]] = nullcontext
        self.catch_up: Callable[[], None] = lambda: None
        self.store: Callable[[Kind, str, Held | None, Mark, int, str], None] = lambda *_: None
        self.on_wipe: Callable[[str], None] = lambda _: None
        self._asked_again: Counter[tuple[Kind, str, int]] = Counter()

    @property
    def epoch(self) -> str:
        """The epoch of the first backend."""
        return next(iter(self.epochs.values()))

    def accept(self) -> None:
        super().accept()
        self._asked_again.clear()

    def wipe(self, *backends: str) -> None:
        """Lose all that is on some backends, on all of them unless told; their epochs show it."""
        for backend in backends or list(self.epochs):
            for kind in Kind:
                for id in [each for each in self.held(kind) if self.backend_of(kind, each) == backend]:
                    self.forget(kind, id)
            self.epochs[backend] = str(uuid.uuid4())
            self.on_wipe(backend)

    # What the driver asks of it.

    def held(self, kind: Kind) -> dict[str, Held]:
        """Return what is held of a kind."""
        match kind:
            case Kind.NETWORK:
                return self.networks
            case Kind.SUBNET:
                return self.subnets
            case Kind.PORT:
                return self.ports

    def mark(self, kind: Kind, id: str) -> Mark:
        """Return what was noted of a resource; nothing of one that appeared by hand in memory."""
        return self.marks.get((kind, id), _NO_MARK)

    def is_foreign(self, kind: Kind, id: str) -> bool:
        """Tell whether a resource that is held belongs to another deployment."""
        mark = self.marks.get((kind, id))
        return mark is not None and mark.owner != self.owner

    def is_changed_by_hand(self, kind: Kind, id: str) -> bool:
        """Tell whether what is held is not what was written."""
        return self.held(kind).get(id) is not self.mark(kind, id).written

    def backend_of(self, kind: Kind, id: str) -> str:
        """Name the backend that a resource is on, or belongs on."""
        mark = self.marks.get((kind, id))
        return mark.backend if mark is not None and mark.backend in self.epochs else self._backend_for(id)

    def unreachable(self) -> Mapping[str, str]:
        """Return the backends that cannot be reached now, each with the reason."""
        told = self.read_orders().unreachable
        return {backend: told[backend] for backend in self.epochs if backend in told}

    def judge(self, action: Action, kind: Kind, value: Network | Subnet | Port) -> None:
        """Refuse with `Rejected` what may not be made."""
        reason = self.read_orders().rejection_of(action, kind)
        if reason is not None:
            raise Rejected(reason)
        if isinstance(value, Network) and action is not Action.DELETE:
            self._judge_network(value)

    def must_wait(self, kind: Kind, id: str, revision: int) -> bool:
        """Tell whether this revision is to be asked for again, and count it."""
        times = self.read_orders().in_progress
        asked = self._asked_again[kind, id, revision]
        if asked >= times:
            self._asked_again.pop((kind, id, revision), None)
            return False
        self._asked_again[kind, id, revision] += 1
        return True

    def refuse_to_act(self, action: Action, kind: Kind) -> None:
        """Raise what postcommit was told to fail with."""
        orders = self.read_orders()
        if (reason := orders.infeasibility_of(action, kind)) is not None:
            raise Infeasible(reason, code="TOLD_INFEASIBLE", effect=Effect.NONE)
        if (reason := orders.failure_of(action, kind)) is not None:
            raise RetryLater(reason, code="TOLD_TO_FAIL", effect=Effect.NONE)

    def write(self, kind: Kind, context: ChangeContext) -> int:
        """Hold a resource, unless a higher revision is held; return the revision that is held."""
        value, revision = context.current, context.revision
        with self.transaction():
            self.catch_up()
            backend = self._place_for(kind, context)
            self._require_reach(backend)
            self._require_ours(kind, value.id)
            found, by_hand = self.held(kind).get(value.id), self.is_changed_by_hand(kind, value.id)
            if found is not None and not by_hand:
                if found.revision > revision:
                    return found.revision
                if found.revision == revision and self._is_written(kind, context):
                    return revision
            held = Held(revision, value)
            mark = Mark(self.owner, backend, context.digest, context.attributes, held)
            action = "add" if found is None else "repair" if by_hand else "change"
            self.store(kind, value.id, held, mark, revision, action)
        self.hold(kind, value.id, held, mark)
        return revision

    def remove(self, kind: Kind, context: ChangeContext) -> None:
        """Hold a resource no longer; one of another deployment stays."""
        id = context.current.id
        with self.transaction():
            self.catch_up()
            if id not in self.held(kind) or self.is_foreign(kind, id):
                return
            self._require_reach(self.backend_of(kind, id))
            self.store(kind, id, None, _NO_MARK, context.revision, "remove")
        self.forget(kind, id)

    def compare(self, kind: Kind, context: ChangeContext) -> tuple[str, list[str]]:
        """Tell on which backend, and what, a write or removal of this would change."""
        self.catch_up()
        id, backend = context.current.id, self._place_for(kind, context)
        self._require_reach(backend)
        found, what = self.held(kind).get(id), f"{kind} {id}"
        if self.is_foreign(kind, id):
            refused = [f"refuse {what}: it belongs to another deployment"]
            return backend, [] if context.action is Action.DELETE else refused
        if context.action is Action.DELETE:
            return backend, [] if found is None else [f"remove {what}"]
        if found is None:
            return backend, [f"add {what} at revision {context.revision}"]
        return backend, [f"change {what}: {each}" for each in self._wrong_with(kind, found, context)]

    def hold(self, kind: Kind, id: str, held: Held, mark: Mark) -> None:
        """Take a resource with its marks, and tell nobody."""
        self.held(kind)[id] = held
        self.marks[kind, id] = mark

    def forget(self, kind: Kind, id: str) -> None:
        """Drop a resource with all that belongs to it, and tell nobody."""
        self.held(kind).pop(id, None)
        self.marks.pop((kind, id), None)

    def clear(self) -> None:
        """Drop everything, and tell nobody."""
        for shelf in (self.networks, self.subnets, self.ports, self.marks):
            shelf.clear()

    def _is_written(self, kind: Kind, context: ChangeContext) -> bool:
        """Tell whether what is held was written by the same change, as far as one can see."""
        mark = self.mark(kind, context.current.id)
        if mark.digest != context.digest:
            return False
        return not differences(self.held(kind)[context.current.id].value, mark.attributes, context)

    def _place_for(self, kind: Kind, context: ChangeContext) -> str:
        """Name the backend that a resource is on; a new one goes where its network is."""
        value = context.current
        if value.id in self.held(kind):
            return self.backend_of(kind, value.id)
        return self._backend_for(value.id if isinstance(value, Network) else value.network_id)

    def _backend_for(self, network_id: str) -> str:
        return list(self.epochs)[crc32(network_id.encode()) % len(self.epochs)]

    def _wrong_with(self, kind: Kind, found: Held, context: ChangeContext) -> list[str]:
        by_hand = self.is_changed_by_hand(kind, context.current.id)
        if found.revision > context.revision and not by_hand:
            return []
        said = differences(found.value, self.mark(kind, context.current.id).attributes, context)
        return said or (["its marks were changed by hand"] if by_hand else [])

    def _require_reach(self, backend: str) -> None:
        reason = self.read_orders().unreachable.get(backend)
        if reason is not None:
            raise RetryLater(reason, code="UNREACHABLE", effect=Effect.NONE)

    def _require_ours(self, kind: Kind, id: str) -> None:
        if self.is_foreign(kind, id):
            raise DeviceConflict(f"{kind} {id} belongs to another deployment", effect=Effect.NONE)

    def _judge_network(self, network: Network) -> None:
        if any(fnmatchcase(network.name, pattern) for pattern in self.refused_names):
            raise Rejected(self.refuse_reason.replace("{name}", network.name), reason="NAME_RESERVED")
        for segment in network.segments:
            if segment.network_type == "vlan" and segment.segmentation_id in self.reserved_vlans:
                message = f"VLAN {segment.segmentation_id} is reserved on fabric {self.name}"
                raise Rejected(message, reason="VLAN_RESERVED")
