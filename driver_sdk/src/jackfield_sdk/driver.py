"""The mechanism driver: eighteen hooks, binding, and two questions about what is there.

The hooks have ML2's names and ML2's meaning. `*_precommit` judges inside the core's transaction
and touches nothing. `*_postcommit` makes the device true to `context.current`, looks before it
writes, and may be called any number of times. `bind_port` chooses a segment. Each hook may be
`def` (it runs in a bounded pool of threads) or `async def` (it runs on the event loop and must
not block). Two postcommits of one resource never overlap; everything else may, and precommit,
which changes nothing, waits for nobody.

A driver overrides what it cares about, and that is what it declares in the handshake.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Iterable, Sequence
from functools import cached_property

from jackfield_sdk.answers import BindAnswer, Line, Owned, PostcommitAnswer, PrecommitAnswer, Unreachable
from jackfield_sdk.attributes import Attribute
from jackfield_sdk.capabilities import (
    Backend,
    BindCapability,
    Interest,
    StateVersions,
    interests_in,
    overridden_hooks,
)
from jackfield_sdk.context import (
    BindContext,
    ChangeContext,
    DriverState,
    NetworkContext,
    PortContext,
    SubnetContext,
)
from jackfield_sdk.errors import Infeasible
from jackfield_sdk.events import Events
from jackfield_sdk.reasons import ChangeReason
from jackfield_sdk.resources import Kind

PrecommitVerdict = PrecommitAnswer | Awaitable[PrecommitAnswer]
PostcommitOutcome = PostcommitAnswer | Awaitable[PostcommitAnswer]
BindOutcome = BindAnswer | Awaitable[BindAnswer]
Listing = Iterable[Owned | Unreachable] | AsyncIterable[Owned | Unreachable]
Lines = Iterable[str | Line] | Awaitable[Iterable[str | Line]]
BackendsTold = Sequence[Backend] | Awaitable[Sequence[Backend]]


class MechanismDriver:
    """Base of every mechanism driver; all hooks default to nothing.

    `name` is the driver's name in the core's configuration: lower case letters, digits and
    hyphens, at most 63 bytes. `network_types` and `vnic_types` bound what `bind_port` is asked
    for; empty means any. `attributes` are the vendor's own, see `attributes`. A driver that has the
    core keep states declares `state_versions`: the oldest that it reads, and the one it writes.
    `begins_together` is for a driver that makes one edit of a device out of all that waits for it:
    the postcommits of a call that do not depend on each other then begin at once, all of them, so
    they have to be `async def`.
    """

    name: str
    version: str = "0"
    network_types: frozenset[str] = frozenset()
    vnic_types: frozenset[str] = frozenset()
    max_levels: int = 1
    attributes: Sequence[Attribute] = ()
    state_versions: StateVersions | None = None
    begins_together: bool = False

    # The deployment that the core belongs to, known after the first handshake. It belongs into
    # ownership marks on shared devices.
    deployment_id: str = ""

    # The version of state that the core holds for this driver, known after the first handshake;
    # None if it holds none. Hooks ask `write_state_version`.
    pinned_state_version: int | None = None

    @cached_property
    def events(self) -> Events:
        """Emit what is observed on the devices; every connected core gets it."""
        return Events()

    @property
    def write_state_version(self) -> int:
        """Return the version that a state has to be written in now; 0 if the driver keeps no state.

        During an upgrade that is the version of the release before, so that the operator can go
        back to it. It becomes `state_versions.writes` when the operator has finalised the upgrade.
        """
        if self.state_versions is None:
            return 0
        return self.pinned_state_version or self.state_versions.writes

    async def start(self) -> None:
        """Get ready, within seconds and without waiting for a backend.

        An exception does not end the process: the handshake answers with it as the load error.
        """

    async def stop(self) -> None:
        """Let go of what `start` took; called after the last call was answered."""

    def backends(self) -> BackendsTold:
        """Tell the state of the backends, from memory if one may not answer: a handshake has two seconds.

        What comes later is told next time. Until then the core is told the answer before it, with
        unknown health.
        """
        return ()

    def interests(self) -> Sequence[Interest]:
        """Declare what the core shall call: by default, the hooks that the class overrides."""
        return interests_in(overridden_hooks(type(self), MechanismDriver))

    def bind_capability(self) -> BindCapability | None:
        """Declare which bindings to be asked for: None unless the class overrides `bind_port`."""
        if type(self).bind_port is MechanismDriver.bind_port:
            return None
        return BindCapability(self.network_types, self.vnic_types, self.max_levels)

    def create_network_precommit(self, context: NetworkContext) -> PrecommitVerdict:
        """Judge a new network; raise `Rejected` to refuse it."""
        return None

    def update_network_precommit(self, context: NetworkContext) -> PrecommitVerdict:
        """Judge a changed network or a change of its segments."""
        return None

    def delete_network_precommit(self, context: NetworkContext) -> PrecommitVerdict:
        """Judge the removal of a network."""
        return None

    def create_network_postcommit(self, context: NetworkContext) -> PostcommitOutcome:
        """Make a network true that this driver never acknowledged."""
        return None

    def update_network_postcommit(self, context: NetworkContext) -> PostcommitOutcome:
        """Make a network true that this driver acknowledged at an earlier revision."""
        return None

    def delete_network_postcommit(self, context: NetworkContext) -> PostcommitOutcome:
        """Remove a network; one that is not there is removed."""
        return None

    def create_subnet_precommit(self, context: SubnetContext) -> PrecommitVerdict:
        """Judge a new subnet; raise `Rejected` to refuse it."""
        return None

    def update_subnet_precommit(self, context: SubnetContext) -> PrecommitVerdict:
        """Judge a changed subnet."""
        return None

    def delete_subnet_precommit(self, context: SubnetContext) -> PrecommitVerdict:
        """Judge the removal of a subnet."""
        return None

    def create_subnet_postcommit(self, context: SubnetContext) -> PostcommitOutcome:
        """Make a subnet true that this driver never acknowledged."""
        return None

    def update_subnet_postcommit(self, context: SubnetContext) -> PostcommitOutcome:
        """Make a subnet true that this driver acknowledged at an earlier revision."""
        return None

    def delete_subnet_postcommit(self, context: SubnetContext) -> PostcommitOutcome:
        """Remove a subnet; one that is not there is removed."""
        return None

    def create_port_precommit(self, context: PortContext) -> PrecommitVerdict:
        """Judge a new port; raise `Rejected` to refuse it."""
        return None

    def update_port_precommit(self, context: PortContext) -> PrecommitVerdict:
        """Judge a changed port or a change of its binding."""
        return None

    def delete_port_precommit(self, context: PortContext) -> PrecommitVerdict:
        """Judge the removal of a port."""
        return None

    def create_port_postcommit(self, context: PortContext) -> PostcommitOutcome:
        """Make a port true that this driver never acknowledged."""
        return None

    def update_port_postcommit(self, context: PortContext) -> PostcommitOutcome:
        """Make a port true that this driver acknowledged at an earlier revision."""
        return None

    def delete_port_postcommit(self, context: PortContext) -> PostcommitOutcome:
        """Remove a port; one that is not there is removed."""
        return None

    def bind_port(self, context: BindContext) -> BindOutcome:
        """Choose a segment and a VIF type for a port on one host; touch nothing.

        None is `Skip("")`: another driver is asked.
        """
        return None

    def list_owned(self, kinds: frozenset[Kind]) -> Listing:
        """List what this deployment owns on the backends; no kinds means all."""
        return ()

    def diff(self, context: ChangeContext) -> Lines:
        """Tell in lines of text, or in `Line`s, what postcommit would do to the devices; change nothing."""
        return ()

    def upgrade_state(self, kind: Kind, id: str, state: DriverState, to_version: int) -> DriverState:
        """Rewrite a stored state to another version; a pure function. Infeasible if it cannot be."""
        if state.version == to_version:
            return state
        raise Infeasible(
            f"state of {kind} {id} is version {state.version}, and this driver cannot write {to_version}",
            code=ChangeReason.UNSUPPORTED,
        )
