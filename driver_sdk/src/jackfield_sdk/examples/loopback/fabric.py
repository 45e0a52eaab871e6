"""The fabric: what a device would hold, in three dicts, and what it was told to do wrong.

It behaves as a device should. Writing a revision twice changes nothing, a lower one never
overwrites a higher, and removing what is not there is a success.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from jackfield_sdk.context import Action, ChangeContext
from jackfield_sdk.errors import Effect, Infeasible, Rejected, RetryLater
from jackfield_sdk.examples.loopback.attributes import presentable
from jackfield_sdk.examples.loopback.orders import Delay, Orders
from jackfield_sdk.resources import Kind, Network, Port, Subnet


class Held(NamedTuple):
    """A resource on the fabric and the revision it was written at."""

    revision: int
    value: Any


class Fabric:
    """A fabric in memory. `networks`, `subnets` and `ports` map an id to what is held."""

    def __init__(self, name: str = "loopback", epoch: str = "") -> None:
        """Be empty, with a new epoch unless one is given."""
        self.name = name
        self.epoch = epoch or str(uuid.uuid4())
        self.networks: dict[str, Held] = {}
        self.subnets: dict[str, Held] = {}
        self.ports: dict[str, Held] = {}
        self.digests: dict[tuple[Kind, str], bytes] = {}
        self.attributes: dict[tuple[Kind, str], Mapping[str, Any]] = {}
        self.reserved_vlans: set[int] = set()
        self.refused_names: list[str] = []
        self.refuse_reason = 'network name "{name}" is reserved on this fabric'
        # Where a file backs the fabric: read what others wrote, write what changed here.
        self.catch_up: Callable[[], None] = lambda: None
        self.on_change: Callable[[Kind, str], None] = lambda _kind, _id: None
        self.on_wipe: Callable[[], None] = lambda: None
        self.read_orders: Callable[[], Orders] = lambda: self._told
        self._told = Orders()
        self._asked_again: Counter[tuple[Kind, str, int]] = Counter()

    # What a test tells it.

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

    def accept(self) -> None:
        """Forget everything that was told: from now on all is well."""
        self._told = Orders()
        self._asked_again.clear()

    def wipe(self) -> None:
        """Lose everything, as a switch with a factory reset does; the epoch tells."""
        self.clear()
        self.epoch = str(uuid.uuid4())
        self.on_wipe()

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
        self.catch_up()
        value, revision = context.current, context.revision
        shelf, found = self.held(kind), self.held(kind).get(value.id)
        if found is not None and found.revision > revision:
            return found.revision
        if found is None or found.revision < revision or self.differs(kind, context):
            shelf[value.id] = Held(revision, value)
            self.digests[kind, value.id] = context.digest
            self.attributes[kind, value.id] = context.attributes
            self.on_change(kind, value.id)
        return revision

    def differs(self, kind: Kind, context: ChangeContext) -> bool:
        """Tell whether something else is held than what is wanted; a secret never makes a difference."""
        found = self.held(kind).get(context.current.id)
        if found is None or found.value != context.current:
            return True
        held = self.attributes.get((kind, context.current.id), {})
        return presentable(held) != presentable(context.attributes)

    def remove(self, kind: Kind, id: str) -> None:
        """Hold a resource no longer."""
        self.catch_up()
        if id in self.held(kind):
            self.forget(kind, id)
            self.on_change(kind, id)

    def forget(self, kind: Kind, id: str) -> None:
        """Drop a resource with all that belongs to it, and tell nobody."""
        for shelf in (self.digests, self.attributes):
            shelf.pop((kind, id), None)
        self.held(kind).pop(id, None)

    def clear(self) -> None:
        """Drop everything, and tell nobody."""
        for shelf in (self.networks, self.subnets, self.ports, self.digests, self.attributes):
            shelf.clear()

    def _judge_network(self, network: Network) -> None:
        if any(fnmatchcase(network.name, pattern) for pattern in self.refused_names):
            raise Rejected(self.refuse_reason.replace("{name}", network.name), reason="NAME_RESERVED")
        for segment in network.segments:
            if segment.network_type == "vlan" and segment.segmentation_id in self.reserved_vlans:
                message = f"VLAN {segment.segmentation_id} is reserved on fabric {self.name}"
                raise Rejected(message, reason="VLAN_RESERVED")

    def _tell(self, **changes: Any) -> None:
        self._told = self._told.model_copy(update=changes)
