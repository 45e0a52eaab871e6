"""Binds ports to drivers and segments, outside of any transaction.

Every port holds its own search (see ``levels``), and the searches of one host
go on in rounds: in each round, the questions to one driver are one call, and
the drivers are asked at the same time. A driver that is down, slow or wrong is
skipped with the reason noted; when time is up, what is not bound has failed.
A failed binding is a result like any other. Each one, failed or not, says who did
not bind, and why: that a port is with the second driver is explained by the first.
"""

import time
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from jackfield_core import config
from jackfield_core.binding.dynamic import Allocator, DynamicSegments
from jackfield_core.binding.levels import Ask, Candidate, Found, Reply, Search, Step, Want
from jackfield_core.db.base import now
from jackfield_core.db.port import Binding, Port
from jackfield_core.db.tree import NetworkTree
from jackfield_core.db.unit_of_work import UnitOfWork
from jackfield_core.errors import JackfieldError
from jackfield_core.mechanism import translate
from jackfield_core.mechanism.answers import BindAsk, NoVerdict
from jackfield_core.mechanism.manager import MechanismManager
from jackfield_core.mechanism.registry import Registry
from jackfield_core.mechanism.together import together
from jackfield_core.types import BINDING_FAILED, BindingLevel, Wiring


class BindingRequest(Struct, frozen=True):
    """A port to bind; its binding names the host, the VNIC type and the profile."""

    port: Port
    tree: NetworkTree


class BindingOutcome(Struct, frozen=True):
    """How a port is bound; *wired* if no report of an agent is awaited.

    *tree* is the network as it stands with this binding: the one of the
    request, or a newer one if a segment had to be allocated for it.
    """

    binding: Binding
    levels: tuple[BindingLevel, ...]
    wired: bool
    tree: NetworkTree


class _Bid:
    """The search of one port, and where it stands; *step* is None when it has ended."""

    def __init__(self, request: BindingRequest, drivers: Sequence[Candidate]) -> None:
        self.port = request.port
        segments = tuple(segment for segment in request.tree.segments if not segment.is_dynamic)
        self.search = Search(drivers, request.port.binding.vnic_type, segments)
        self.found: Found | None = None
        self.step: Step | None = None
        self._dialogue = self.search.run()
        self._advance(None)

    def reply(self, reply: Reply) -> None:
        """Go on with the answer to the current step."""
        self._advance(reply)

    def give_up(self) -> None:
        """End the search because its time is over."""
        if isinstance(self.step, Ask):
            ask, reason = self.step, "the time for binding was over"
            self.search.note(ask.driver, ask.level, reason, ask.segments)
        self._dialogue.close()
        self.step = None

    def _advance(self, reply: Reply | None) -> None:
        try:
            # A generator is started with None, whatever its send type.
            self.step = self._dialogue.send(reply)  # type: ignore[arg-type]
        except StopIteration as end:
            self.step, self.found = None, end.value


class Binder:
    """Asks drivers to bind ports, outside of any transaction."""

    def __init__(
        self,
        registry: Registry,
        manager: MechanismManager,
        segments: Allocator,
        unit_of_work: UnitOfWork,
        settings: config.Settings,
    ) -> None:
        self._registry = registry
        self._manager = manager
        self._dynamic = DynamicSegments(segments, manager, unit_of_work)
        self._unit_of_work = unit_of_work
        self._settings = settings

    async def bind(self, requests: Sequence[BindingRequest]) -> dict[str, BindingOutcome]:
        """Return the outcome of each port, by port id; a driver's failure is an outcome too."""
        drivers = [Candidate(entry.name, entry.bind) for entry in self._registry.binders() if entry.bind]
        trees = {request.port.network_id: request.tree for request in requests}
        by_host: dict[str, list[_Bid]] = {}
        for request in requests:
            by_host.setdefault(request.port.binding.host, []).append(_Bid(request, drivers))
        hosts = [self._bind_on_host(host, bids, trees) for host, bids in by_host.items()]
        await together(hosts)
        return {bid.port.id: _outcome(bid, trees[bid.port.network_id]) for bids in by_host.values() for bid in bids}

    async def _bind_on_host(self, host: str, bids: Sequence[_Bid], trees: dict[str, NetworkTree]) -> None:
        """Carry the searches of one host to their ends; *trees* follow what is allocated."""
        deadline = time.monotonic() + self._settings.mechanism.bind_budget
        message = await self._describe(host)
        while open_bids := [bid for bid in bids if bid.step]:
            left = deadline - time.monotonic()
            if left <= 0:
                for bid in open_bids:
                    bid.give_up()
                return
            await self._allocate([bid for bid in open_bids if isinstance(bid.step, Want)], trees)
            await self._ask([bid for bid in open_bids if isinstance(bid.step, Ask)], message, trees, left)

    async def _describe(self, host: str) -> translate.Host:
        async with self._unit_of_work.reading() as tables:
            agents = await tables.agents.list_on_host(host)
        return translate.host(host, agents, now(), self._settings.nodes.agent_down_time)

    async def _allocate(self, bids: Sequence[_Bid], trees: dict[str, NetworkTree]) -> None:
        for bid in bids:
            assert isinstance(bid.step, Want)
            id = bid.port.network_id
            try:
                segment, trees[id] = await self._dynamic.ensure(
                    trees[id], bid.step.network_type, bid.step.physical_network
                )
            except JackfieldError as error:
                bid.reply(error.message)
            else:
                bid.reply(segment)

    async def _ask(
        self, bids: Sequence[_Bid], host: translate.Host, trees: dict[str, NetworkTree], left: float
    ) -> None:
        by_driver: dict[str, list[_Bid]] = {}
        for bid in bids:
            assert isinstance(bid.step, Ask)
            by_driver.setdefault(bid.step.driver, []).append(bid)
        timeout = min(self._settings.mechanism.bind_timeout, left)
        calls = [self._ask_driver(name, mine, host, trees, timeout) for name, mine in by_driver.items()]
        await together(calls)

    async def _ask_driver(
        self, name: str, bids: Sequence[_Bid], host: translate.Host, trees: dict[str, NetworkTree], timeout: float
    ) -> None:
        asks = [_bind_ask(bid, trees[bid.port.network_id]) for bid in bids]
        try:
            answers: Sequence[Reply] = await self._manager.bind_ports(name, host, asks, timeout)
        except NoVerdict as error:
            answers = [error.text] * len(asks)
        for bid, answer in zip(bids, answers, strict=True):
            bid.reply(answer)


def _bind_ask(bid: _Bid, tree: NetworkTree) -> BindAsk:
    assert isinstance(bid.step, Ask)
    return BindAsk(bid.port, tree, bid.step.segments, bid.step.level, bid.step.bound_levels)


def _outcome(bid: _Bid, tree: NetworkTree) -> BindingOutcome:
    found, failures = bid.found, tuple(bid.search.failures)
    if found is None:
        unwired = Binding(vif_type=BINDING_FAILED, failures=failures)
        return BindingOutcome(_rebound(bid.port.binding, unwired), (), wired=False, tree=tree)
    details = {**found.vif_details, "bound_drivers": {str(level.level): level.driver for level in found.levels}}
    wiring = Wiring.UP if found.wired else Wiring.UNKNOWN
    bound = Binding(vif_type=found.vif_type, vif_details=details, wiring=wiring, failures=failures)
    return BindingOutcome(_rebound(bid.port.binding, bound), found.levels, found.wired, tree)


def _rebound(asked: Binding, found: Binding) -> Binding:
    """Return what was found, in the place that was asked for."""
    return msgspec.structs.replace(found, host=asked.host, vnic_type=asked.vnic_type, profile=asked.profile)
