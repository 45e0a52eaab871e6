"""The driver of the in-memory fabric: the shortest driver that does everything.

Eighteen hooks come down to two questions (may this be? make it so), because a change says by
itself what it is about. A vendor's driver has the same shape, with a device where this one has
dicts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jackfield_sdk.answers import Bound, Done, InProgress, Owned, PostcommitAnswer, Skip
from jackfield_sdk.capabilities import Backend, BindCapability, Interest, Phase, interests_in, overridden_hooks
from jackfield_sdk.context import Action, BindContext, ChangeContext, NetworkContext, PortContext, SubnetContext
from jackfield_sdk.driver import MechanismDriver
from jackfield_sdk.examples.loopback.fabric import Fabric
from jackfield_sdk.examples.loopback.orders import Script
from jackfield_sdk.examples.loopback.snapshot import StateFile
from jackfield_sdk.resources import Kind, Network, Port

# Seconds after which a change in progress is asked for again.
_ASK_AGAIN = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopbackOptions:
    """What a loopback driver takes part in; by default everything.

    `network_types` bounds what is bound, empty means any. `wired` tells the core that nothing on
    the host has to plug the port; otherwise the driver reports the port up by itself.
    """

    precommit: bool = True
    postcommit: bool = True
    bind: bool = True
    network_types: frozenset[str] = frozenset()
    vif_type: str = "other"
    wired: bool = True
    state_file: Path | None = None
    script: Path | None = None


class LoopbackDriver(MechanismDriver):
    """Drives one `Fabric`, and bears its name."""

    version = "1"

    def __init__(self, fabric: Fabric | None = None, options: LoopbackOptions | None = None) -> None:
        """Drive `fabric`, or a new one of the name "loopback"."""
        self.fabric = fabric or Fabric()
        self.options = options or LoopbackOptions()
        self.name = self.fabric.name
        self.network_types = self.options.network_types
        self._state_file: StateFile | None = None

    async def start(self) -> None:
        if self.options.script is not None:
            self.fabric.read_orders = Script(self.options.script).orders
        if self.options.state_file is not None:
            self._state_file = StateFile(self.options.state_file, self.fabric)
            self._state_file.load()

    async def stop(self) -> None:
        if self._state_file is not None:
            self._state_file.close()

    def backends(self) -> Sequence[Backend]:
        return [Backend(self.fabric.name, self.fabric.epoch)]

    def interests(self) -> Sequence[Interest]:
        phases = {Phase.PRECOMMIT: self.options.precommit, Phase.POSTCOMMIT: self.options.postcommit}
        hooks = overridden_hooks(type(self), MechanismDriver)
        return interests_in(hook for hook in hooks if phases[hook[2]])

    def bind_capability(self) -> BindCapability | None:
        return super().bind_capability() if self.options.bind else None

    async def create_network_precommit(self, context: NetworkContext) -> None:
        await self._judge(Kind.NETWORK, context)

    async def create_subnet_precommit(self, context: SubnetContext) -> None:
        await self._judge(Kind.SUBNET, context)

    async def create_port_precommit(self, context: PortContext) -> None:
        await self._judge(Kind.PORT, context)

    async def create_network_postcommit(self, context: NetworkContext) -> PostcommitAnswer:
        return await self._act(Kind.NETWORK, context)

    async def create_subnet_postcommit(self, context: SubnetContext) -> PostcommitAnswer:
        return await self._act(Kind.SUBNET, context)

    async def create_port_postcommit(self, context: PortContext) -> PostcommitAnswer:
        answer = await self._act(Kind.PORT, context)
        if not self.options.wired and not isinstance(answer, InProgress):
            self._report(context)
        return answer

    # The context says what happened, so one hook serves all actions on a kind.
    update_network_precommit = delete_network_precommit = create_network_precommit
    update_subnet_precommit = delete_subnet_precommit = create_subnet_precommit
    update_port_precommit = delete_port_precommit = create_port_precommit
    update_network_postcommit = delete_network_postcommit = create_network_postcommit
    update_subnet_postcommit = delete_subnet_postcommit = create_subnet_postcommit
    update_port_postcommit = delete_port_postcommit = create_port_postcommit

    async def bind_port(self, context: BindContext) -> Bound | Skip:
        await _sleep(self.fabric.read_orders().delay.bind)
        for segment in context.segments:
            if not self.network_types or segment.network_type in self.network_types:
                details = {"fabric": self.fabric.name}
                return Bound(segment.id, self.options.vif_type, details, wired=self.options.wired)
        return Skip(f"no segment of a type that fabric {self.fabric.name} carries")

    def list_owned(self, kinds: frozenset[Kind]) -> Iterator[Owned]:
        for kind in Kind:
            if kinds and kind not in kinds:
                continue
            for id, held in list(self.fabric.held(kind).items()):
                digest = self.fabric.digests.get((kind, id), b"")
                yield Owned(kind, id, held.revision, digest, self.fabric.name)

    async def diff(self, context: ChangeContext) -> Iterable[str]:
        kind, id = _kind_of(context), context.current.id
        held = self.fabric.held(kind).get(id)
        if context.action is Action.DELETE:
            return [] if held is None else [f"remove {kind} {id}"]
        if held is None:
            return [f"add {kind} {id} at revision {context.revision}"]
        if held.value == context.current or held.revision > context.revision:
            return []
        return [f"change {kind} {id} from revision {held.revision} to {context.revision}"]

    async def _judge(self, kind: Kind, context: ChangeContext) -> None:
        await _sleep(self.fabric.read_orders().delay.precommit)
        self.fabric.judge(context.action, kind, context.current)

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        await _sleep(self.fabric.read_orders().delay.postcommit)
        self.fabric.refuse_to_act(context.action, kind)
        if self.fabric.must_wait(kind, context.current.id, context.revision):
            return InProgress(_ASK_AGAIN)
        if context.action is Action.DELETE:
            self.fabric.remove(kind, context.current.id)
            return None
        return Done(revision=self.fabric.write(kind, context.current, context.revision, context.digest))

    def _report(self, context: PortContext) -> None:
        port = context.current
        if context.action is not Action.DELETE and port.binding.host:
            self.events.port(port.id, up=port.admin_state_up, revision=context.revision)


def _kind_of(context: ChangeContext) -> Kind:
    match context.current:
        case Network():
            return Kind.NETWORK
        case Port():
            return Kind.PORT
        case _:
            return Kind.SUBNET


async def _sleep(seconds: float) -> None:
    # Even asyncio.sleep(0) costs a turn of the loop, and this is the hot path of the bench.
    if seconds:
        await asyncio.sleep(seconds)
