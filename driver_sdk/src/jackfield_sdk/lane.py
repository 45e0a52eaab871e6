"""An agent with one lane: whatever happens wakes it, and one pass makes the whole host true.

A view from the core, an event of the host, the clock: each only wakes the lane. The lane waits a
moment to gather what comes together, does one pass (`reconcile`) in its own thread, and reports
what became of each port. A pass that fails is repeated with back-off for ever; the ports that wait
for it are reported with the reason. A port that was up stays up meanwhile, because what was made
for it is still there.

Packets that do not fit into the tunnels of their network are no reason to cut anybody off, but they
keep a new port from being up: its network would carry small packets and lose large ones.

So an agent has one path for the first start, a restart, an update and a repair. Stopping it leaves
the host as it is. Before the core has said everything (`in_sync`) no pass may sweep.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import structlog

from jackfield_sdk.errors import DriverError
from jackfield_sdk.node import NodeAgent
from jackfield_sdk.reporter import Reporter
from jackfield_sdk.underlay import too_narrow, underlay
from jackfield_sdk.views import NetworkView, PortState, PortView

log = structlog.get_logger("jackfield_sdk")

_Result = TypeVar("_Result")

# Seconds until a pass that failed is repeated for the first time.
_FIRST_PAUSE = 0.2


@dataclass(frozen=True, slots=True)
class Views:
    """What the core wants on this host, by id."""

    networks: Mapping[str, NetworkView] = field(default_factory=dict)
    ports: Mapping[str, PortView] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PortOutcome:
    """What a pass came to for a port.

    `failure` says what kept the pass from making an UP port so. It is reported as an error unless
    the port was up before.
    """

    view: PortView
    state: PortState
    reason: str = ""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class PassOutcome:
    """What a pass came to. `failures` maps what could not be made true to its reason; if there is
    any, the pass is repeated.
    """

    ports: Sequence[PortOutcome] = ()
    failures: Mapping[str, str] = field(default_factory=dict)


class LaneAgent(NodeAgent):
    """Base of a node agent that makes its host true in passes.

    A subclass gives `reconcile`, and `open`, `close`, `announce` and `watches` if it needs them.
    """

    announce_after: Sequence[float] = (0.0, 0.3, 1.2)
    """Seconds to wait before each announcement of a port. A device that has just come up may take a
    second until it forwards, so hypervisors repeat themselves, too."""

    def __init__(self, *, debounce: float, retry_max: float, tunnel_ip: str | None = None) -> None:
        """Take the pace: seconds to gather events, and the longest pause between failed passes.

        `tunnel_ip` is the endpoint of tunnels that do not fragment; whole packets have to fit there.
        """
        self._debounce = debounce
        self._retry_max = retry_max
        self._tunnel_ip = tunnel_ip
        self._narrow: Mapping[str, str] = {}
        self._networks: dict[str, NetworkView] = {}
        self._ports: dict[str, PortView] = {}
        self._up: set[str] = set()
        self._complete = False
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lane")
        self._tasks: list[asyncio.Task[None]] = []
        self._announcing: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Take what passes need, in the lane's thread; RetryLater if it cannot be had now."""

    def close(self) -> None:
        """Let go of what `open` took, in the lane's thread; called even if `open` failed."""

    def reconcile(self, views: Views, *, sweep: bool) -> PassOutcome:
        """Do one pass, in the lane's thread; what nobody wants goes only if `sweep`.

        DriverError if nothing could be tried; every port waits then.
        """
        raise NotImplementedError

    def announce(self, ports: Sequence[PortView]) -> None:
        """Tell switches elsewhere that ports have come up here, in the lane's thread.

        Called some times after a port came up, and as long as it is. It is a courtesy that saves
        time after a move: what the last call raises is logged, and that is all.
        """

    def watches(self) -> Sequence[Coroutine[None, None, None]]:
        """Return what runs beside the lane until the agent stops, as what waits for events."""
        return ()

    def wake(self) -> None:
        """Have a pass done soon; may be called from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the agent is going
            self._loop.call_soon_threadsafe(self._wake.set)

    @property
    def devices(self) -> int:
        """How many ports are up."""
        return len(self._up)

    async def start(self, reporter: Reporter) -> None:
        """Open, do the first pass, and start the lane."""
        self._reporter = reporter
        self._loop = asyncio.get_running_loop()
        await self._in_thread(self.open)
        if not await self._pass():
            self._wake.set()
        self._tasks = [asyncio.create_task(work) for work in (self._lane(), *self.watches())]

    async def stop(self) -> None:
        """Let the pass that runs end, and go."""
        tasks = [*self._tasks, *self._announcing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._in_thread(self.close)
        await asyncio.to_thread(self._thread.shutdown)

    async def apply_network(self, view: NetworkView) -> None:
        """Take a network."""
        self._networks[view.id] = view
        self._wake.set()

    async def apply_port(self, view: PortView) -> None:
        """Take a port; it is wired when it is plugged."""
        self._ports[view.id] = view
        self._wake.set()

    async def remove_port(self, port_id: str) -> None:
        """Let go of a port."""
        self._ports.pop(port_id, None)
        self._up.discard(port_id)
        self._wake.set()

    async def remove_network(self, network_id: str) -> None:
        """Let go of a network."""
        self._networks.pop(network_id, None)
        self._wake.set()

    async def in_sync(self) -> None:
        """Sweep from now on."""
        self._complete = True
        self._wake.set()

    async def _in_thread(self, call: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def _lane(self) -> None:
        failed = 0
        while True:
            pause = min(_FIRST_PAUSE * 2 ** min(failed - 1, 16), self._retry_max) if failed else None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)
            await asyncio.sleep(self._debounce)
            failed = 0 if await self._pass() else failed + 1

    async def _pass(self) -> bool:
        """Do one pass and report; return False if it has to be repeated."""
        self._wake.clear()
        # Taken in one moment: views of before the core had said everything must not be swept by.
        views, sweep = Views(dict(self._networks), dict(self._ports)), self._complete
        try:
            outcome = await self._in_thread(partial(self._reconciled, views, sweep=sweep))
        except DriverError as error:
            log.warning("pass.failed", reason=error.reason)
            self._report_waiting(views, error.reason)
            return False
        except Exception:
            log.exception("pass.broke")
            self._report_waiting(views, "the agent has a fault; see its log")
            return False
        for what, reason in outcome.failures.items():
            log.warning("pass.incomplete", what=what, reason=reason)
        before = set(self._up)
        self._report(outcome)
        if came_up := [port.view for port in outcome.ports if port.view.id in self._up - before]:
            announcing = asyncio.create_task(self._announce(came_up))
            self._announcing.add(announcing)
            announcing.add_done_callback(self._announcing.discard)
        return not outcome.failures

    def _reconciled(self, views: Views, *, sweep: bool) -> PassOutcome:
        outcome, below = self.reconcile(views, sweep=sweep), underlay(self._tunnel_ip)
        narrow = {id: reason for id, view in views.networks.items() if (reason := too_narrow(view, below))}
        for network_id in narrow.keys() - self._narrow.keys():
            log.warning("network.too_wide", network_id=network_id, reason=narrow[network_id])
        self._narrow = narrow
        if not narrow:
            return outcome
        ports = [replace(port, failure=port.failure or narrow.get(port.view.network_id, "")) for port in outcome.ports]
        return replace(outcome, ports=ports)

    async def _announce(self, ports: Sequence[PortView]) -> None:
        reason = ""
        for pause in self.announce_after:
            await asyncio.sleep(pause)
            there = [port for port in ports if port.id in self._up]
            try:
                await self._in_thread(partial(self.announce, there))
                reason = ""
            except Exception as error:
                reason = str(error) or type(error).__name__
        if reason:
            log.warning("ports.unannounced", count=len(ports), reason=reason)

    def _report(self, outcome: PassOutcome) -> None:
        for port in outcome.ports:
            state, reason = port.state, port.reason
            if state is PortState.UP and port.failure and port.view.id not in self._up:
                state, reason = PortState.ERROR, port.failure
            self._tell(port.view, state, reason)

    def _report_waiting(self, views: Views, reason: str) -> None:
        for view in views.ports.values():
            if view.id not in self._up:
                self._tell(view, PortState.ERROR, reason)

    def _tell(self, view: PortView, state: PortState, reason: str) -> None:
        # The port may have gone while the pass was under way.
        if view.id not in self._ports:
            return
        if state is PortState.UP and view.id not in self._up:
            log.info("port.wired", port_id=view.id)
        (self._up.add if state is PortState.UP else self._up.discard)(view.id)
        self._reporter.port(view.id, state, reason, view.version)
