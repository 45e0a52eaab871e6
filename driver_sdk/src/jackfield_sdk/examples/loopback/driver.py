"""The driver of the in-memory fabric: the shortest driver that does everything.

Eighteen hooks come down to two questions (may this be? make it so), because a change says by
itself what it is about. A vendor's driver has the same shape, with a device where this one has
dicts.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jackfield_sdk.answers import Bound, Done, InProgress, Line, Owned, PostcommitAnswer, Skip, Unreachable
from jackfield_sdk.capabilities import (
    Backend,
    BackendHealth,
    BindCapability,
    Interest,
    Phase,
    interests_in,
    overridden_hooks,
)
from jackfield_sdk.context import (
    Action,
    BindContext,
    ChangeContext,
    DriverState,
    NetworkContext,
    PortContext,
    SubnetContext,
)
from jackfield_sdk.driver import MechanismDriver
from jackfield_sdk.examples.loopback.attributes import ATTRIBUTES, news_of
from jackfield_sdk.examples.loopback.backing import Backing
from jackfield_sdk.examples.loopback.fabric import Fabric
from jackfield_sdk.examples.loopback.orders import Script
from jackfield_sdk.examples.loopback.states import revision_in, versions_of_release, write_state
from jackfield_sdk.resources import Kind, Network, Port

# Seconds after which a change in progress is asked for again.
_ASK_AGAIN = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopbackOptions:
    """What a loopback driver takes part in; by default everything.

    `network_types` bounds what is bound, empty means any. `wired` tells the core that nothing on
    the host has to plug the port; otherwise the driver reports the port up by itself. `attributes`
    declares attributes of its own, and `state_version` is the newest version of state that it
    writes, 1 or 2; None keeps no states. `version` is that of the release.
    """

    precommit: bool = True
    postcommit: bool = True
    bind: bool = True
    network_types: frozenset[str] = frozenset()
    vif_type: str = "other"
    wired: bool = True
    attributes: bool = False
    state_version: int | None = None
    version: str = "1"
    state_file: Path | None = None
    script: Path | None = None


class LoopbackDriver(MechanismDriver):
    """Drives one `Fabric`, and bears its name."""

    def __init__(self, fabric: Fabric | None = None, options: LoopbackOptions | None = None) -> None:
        """Drive `fabric`, or a new one of the name "loopback"."""
        self.fabric = fabric or Fabric()
        self.options = options or LoopbackOptions()
        self.name = self.fabric.name
        self.version = self.options.version
        self.network_types = self.options.network_types
        self.attributes = ATTRIBUTES if self.options.attributes else ()
        self.state_versions = versions_of_release(self.options.state_version)
        self._backing: Backing | None = None

    async def start(self) -> None:
        if self.options.script is not None:
            self.fabric.read_orders = Script(self.options.script).orders
        if self.options.state_file is not None:
            self._backing = Backing(self.options.state_file, self.fabric)

    async def stop(self) -> None:
        if self._backing is not None:
            self._backing.close()

    async def backends(self) -> Sequence[Backend]:
        # A handshake was, so from here on it is known whose the resources are.
        self.fabric.owner = self.deployment_id
        self.fabric.catch_up()
        cut_off = self.fabric.unreachable()
        return [
            Backend(id, epoch, BackendHealth.DOWN, cut_off[id]) if id in cut_off else Backend(id, epoch)
            for id, epoch in self.fabric.epochs.items()
        ]

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

    async def list_owned(self, kinds: frozenset[Kind]) -> AsyncIterator[Owned | Unreachable]:
        fabric = self.fabric
        fabric.catch_up()
        cut_off = fabric.unreachable()
        for backend, reason in cut_off.items():
            yield Unreachable(backend, reason)
        for kind in Kind:
            for id in list(fabric.held(kind)) if not kinds or kind in kinds else ():
                held, backend = fabric.held(kind).get(id), fabric.backend_of(kind, id)
                if held is None or backend in cut_off or fabric.is_foreign(kind, id):
                    continue
                digest = b"" if fabric.is_changed_by_hand(kind, id) else fabric.mark(kind, id).digest
                yield Owned(kind, id, held.revision, digest, backend)

    async def diff(self, context: ChangeContext) -> Iterable[Line]:
        backend, said = self.fabric.compare(_kind_of(context), context)
        return [Line(text, backend) for text in said]

    async def _judge(self, kind: Kind, context: ChangeContext) -> None:
        await _sleep(self.fabric.read_orders().delay.precommit)
        self.fabric.judge(context.action, kind, context.current)

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        await _sleep(self.fabric.read_orders().delay.postcommit)
        self.fabric.refuse_to_act(context.action, kind)
        if self.fabric.must_wait(kind, context.current.id, context.revision):
            return InProgress(_ASK_AGAIN)
        if context.action is Action.DELETE:
            self.fabric.remove(kind, context)
            return None
        revision = self.fabric.write(kind, context)
        return Done(self._state(context, revision), self._news(context), revision)

    def _state(self, context: ChangeContext, revision: int) -> DriverState | None:
        if self.state_versions is None:
            return None
        if context.state is not None:
            # What cannot be read must not be overwritten.
            revision = max(revision, revision_in(context.state, self.state_versions.writes))
        return write_state(revision, self.write_state_version, self.version)

    def _news(self, context: ChangeContext) -> dict[str, Any]:
        if not self.attributes or not isinstance(context.current, Port):
            return {}
        return news_of(context.current, context.attributes)

    def upgrade_state(self, kind: Kind, id: str, state: DriverState, to_version: int) -> DriverState:
        newest = self.state_versions.writes if self.state_versions else 0
        return write_state(revision_in(state, newest), to_version, self.version)

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
