"""The agent on a host: views come in, events come in, and one lane makes the switch true.

Whatever happens only wakes the lane: a view from the core, a change in the OVSDB (a guest's
interface appears), an OpenFlow session that broke (ovs-vswitchd restarted), the clock (audit).
The lane waits a moment to gather what comes together, does one pass over the switch in its own
thread, and reports what became of each port. A pass that fails is repeated with back-off for
ever; the ports that wait for it are reported with the reason.

Stopping the agent leaves the switch as it is, and starting it changes nothing that is right
already. Before the core has said everything (`in_sync`) nothing is swept.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import structlog
from jackfield_sdk import (
    DriverError,
    Facts,
    Infeasible,
    NetworkView,
    NodeAgent,
    PortState,
    PortView,
    Reporter,
)

from jackfield_ovs import session
from jackfield_ovs.flows import antispoof
from jackfield_ovs.openflow import bridge_address
from jackfield_ovs.plan import PHYSICAL_TYPES, TUNNEL_TYPES, PlannedPort, Views, check_addresses, obstacle
from jackfield_ovs.settings import OvsSettings, parse_openflow
from jackfield_ovs.version import VERSION
from jackfield_ovs.vswitch import Vswitch
from jackfield_ovs.wiring import Outcome, Wiring

log = structlog.get_logger(__name__)

_Result = TypeVar("_Result")

_FIRST_PAUSE = 0.2


class OvsAgent(NodeAgent):
    """Wires the ports of one Open vSwitch."""

    agent_type = "Open vSwitch agent"
    binary = "jackfield-ovs"
    driver = "ovs"
    version = VERSION

    def __init__(self, settings: OvsSettings) -> None:
        """Take the settings; nothing is touched before `start`."""
        self._settings = settings
        self._layout = settings.layout
        self._networks: dict[str, NetworkView] = {}
        self._ports: dict[str, PortView] = {}
        self._up: set[str] = set()
        self._complete = False
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ovs-lane")
        self._tasks: list[asyncio.Task[None]] = []
        self._vswitch: Vswitch | None = None

    async def start(self, reporter: Reporter) -> None:
        """Connect to the switch and do the first pass; RetryLater if the switch is not there."""
        self._reporter = reporter
        self._loop = asyncio.get_running_loop()
        self._vswitch = await self._in_thread(lambda: Vswitch(self._settings, self._changed))
        self._wiring = Wiring(self._settings, self._vswitch)
        if not await self._pass():
            self._wake.set()
        self._tasks = [asyncio.create_task(work) for work in (self._lane(), self._audit(), *self._sessions())]
        log.info("agent.started", ovsdb=self._settings.ovsdb, bridges=self._layout.bridges)

    async def stop(self) -> None:
        """Let the pass that runs end, and go."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._thread.shutdown)
        if self._vswitch is not None:
            await asyncio.to_thread(self._vswitch.close)

    def facts(self) -> Facts:
        """Tell what the settings promise, with the configuration keys that Neutron's users read."""
        tunnel_ip = self._layout.tunnel_ip
        return Facts(
            physical_networks=self._layout.physical_networks,
            tunnel_types=self._settings.tunnel_types,
            tunnel_ip=tunnel_ip,
            vif_types=("ovs",),
            configurations={
                "bridge_mappings": dict(self._layout.physical_networks),
                "tunnel_types": list(self._settings.tunnel_types),
                "tunneling_ip": tunnel_ip or "",
                "integration_bridge": self._layout.integration_bridge,
                "datapath_type": self._layout.datapath_type,
                "ovs_hybrid_plug": self._settings.ovs_hybrid_plug,
                "l2_population": True,
                "arp_responder_enabled": False,
                "devices": len(self._up),
            },
        )

    async def apply_network(self, view: NetworkView) -> None:
        """Take a network; Infeasible if this host is not set up for it. Its ports tell why as well."""
        try:
            check_addresses(view)
        except ValueError as error:
            raise Infeasible(f"network {view.id}: {error}", code="BAD_ADDRESS") from error
        self._networks[view.id] = view
        self._wake.set()
        reason = obstacle(view, self._layout)
        if reason:
            raise Infeasible(f"network {view.id}: {reason}", code="NETWORK_NOT_CARRIED")

    async def apply_port(self, view: PortView) -> None:
        """Take a port; Infeasible if an address of it is none. It is wired when it is plugged."""
        pairs = tuple((pair.mac_address, pair.ip_address) for pair in view.allowed_address_pairs)
        try:
            antispoof.rules(view.mac_address, view.ip_addresses, pairs)
        except ValueError as error:
            raise Infeasible(f"port {view.id}: {error}", code="BAD_ADDRESS") from error
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
            pause = min(_FIRST_PAUSE * 2 ** min(failed - 1, 16), self._settings.retry_max) if failed else None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)
            await asyncio.sleep(self._settings.debounce)
            failed = 0 if await self._pass() else failed + 1

    async def _pass(self) -> bool:
        """Do one pass and report; return False if it has to be repeated."""
        self._wake.clear()
        views = Views(dict(self._networks), dict(self._ports))
        try:
            outcome = await self._in_thread(lambda: self._wiring.reconcile(views, sweep=self._complete))
        except DriverError as error:
            log.warning("pass.failed", reason=error.reason)
            self._report_waiting(views, error.reason)
            return False
        except Exception:
            log.exception("pass.broke")
            self._report_waiting(views, "the agent has a fault; see its log")
            return False
        for bridge, failure in outcome.failures.items():
            log.warning("flows.failed", bridge=bridge, reason=failure.reason)
        self._report(outcome)
        return not outcome.failures

    def _report(self, outcome: Outcome) -> None:
        for port in outcome.plan.ports:
            state, reason = port.state, port.reason
            failure = self._failure(port, outcome)
            if state is PortState.UP and failure and port.view.id not in self._up:
                state, reason = PortState.ERROR, failure
            self._tell(port.view, state, reason)

    def _report_waiting(self, views: Views, reason: str) -> None:
        # A port that was up stays up: its flows are still there, or will be in a moment.
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

    def _failure(self, port: PlannedPort, outcome: Outcome) -> str:
        """Say why the bridges that a port needs do not have their flows; empty if they do."""
        network = self._networks.get(port.view.network_id)
        needed = [self._layout.integration_bridge]
        if network is not None and network.network_type in TUNNEL_TYPES:
            needed.append(self._layout.tunnel_bridge)
        if network is not None and network.network_type in PHYSICAL_TYPES:
            needed.append(self._layout.physical_networks.get(network.physical_network or "", ""))
        reasons = (outcome.failures[bridge].reason for bridge in needed if bridge in outcome.failures)
        return next(reasons, "")

    def _sessions(self) -> list[Coroutine[None, None, None]]:
        remote = parse_openflow(self._settings.openflow)
        tls = session.tls_context(self._settings)
        bridges = self._layout.bridges
        return [
            session.watch(bridge_address(remote, bridges, bridge), tls, partial(self._doubt, bridge))
            for bridge in bridges
            if bridge != self._layout.tunnel_bridge or self._layout.has_tunnels
        ]

    def _doubt(self, bridge: str) -> None:
        self._wiring.forget(bridge)
        self._wake.set()

    async def _audit(self) -> None:
        while True:
            await asyncio.sleep(self._settings.audit_interval)
            self._wiring.forget_all()
            self._wake.set()

    def _changed(self) -> None:
        """Wake the lane from the OVSDB's thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the agent is going
            self._loop.call_soon_threadsafe(self._wake.set)
