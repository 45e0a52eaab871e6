"""The agent on a host: views come in, events come in, and one lane makes the switch true.

The lane is the SDK's (`jackfield_sdk.lane`). What wakes it here is a view from the core, a change in
the OVSDB (a guest's interface appears), an OpenFlow session that broke (ovs-vswitchd restarted), and
the clock, which has the flows compared. What one pass does is `wiring`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from functools import partial

import structlog
from jackfield_sdk import (
    Facts,
    Infeasible,
    LaneAgent,
    LldpListener,
    NetworkView,
    PassOutcome,
    PortOutcome,
    PortView,
    Views,
)

from jackfield_ovs import session
from jackfield_ovs.flows import antispoof
from jackfield_ovs.openflow import bridge_address
from jackfield_ovs.plan import PHYSICAL_TYPES, TUNNEL_TYPES, PlannedPort, check_addresses, obstacle
from jackfield_ovs.settings import OvsSettings, parse_openflow
from jackfield_ovs.version import VERSION
from jackfield_ovs.vswitch import Vswitch
from jackfield_ovs.wiring import Outcome, Wiring

log = structlog.get_logger(__name__)


class OvsAgent(LaneAgent):
    """Wires the ports of one Open vSwitch."""

    agent_type = "Open vSwitch agent"
    binary = "jackfield-ovs"
    driver = "ovs"
    version = VERSION

    def __init__(self, settings: OvsSettings) -> None:
        """Take the settings; nothing is touched before `start`."""
        self._settings = settings
        self._layout = settings.layout
        super().__init__(
            debounce=settings.debounce,
            retry_max=settings.retry_max,
            tunnel_ip=self._layout.tunnel_ip if self._layout.df_default else None,
        )
        self._vswitch: Vswitch | None = None
        self._cables = settings.lldp_interfaces
        self._listener = LldpListener(lambda: self._cables, lambda heard: self._reporter.neighbours(heard))

    def open(self) -> None:
        """Connect to the switch; RetryLater if it is not there."""
        self._vswitch = Vswitch(self._settings, self.wake)
        self._wiring = Wiring(self._settings, self._vswitch)
        log.info("agent.started", ovsdb=self._settings.ovsdb, bridges=self._layout.bridges)

    def close(self) -> None:
        """End the connection."""
        if self._vswitch is not None:
            self._vswitch.close()

    def reconcile(self, views: Views, *, sweep: bool) -> PassOutcome:
        """Make the switch true to the views."""
        outcome = self._wiring.reconcile(views, sweep=sweep)
        self._listen_to(self._wiring.uplinks)
        ports = [
            PortOutcome(port.view, port.state, port.reason, self._failure(port, views, outcome))
            for port in outcome.plan.ports
        ]
        return PassOutcome(ports, {bridge: failure.reason for bridge, failure in outcome.failures.items()})

    def announce(self, ports: Sequence[PortView]) -> None:
        """Let switches learn where ports are that came up: perhaps they came from another host."""
        self._wiring.announce(ports)

    def watches(self) -> Sequence[Coroutine[None, None, None]]:
        """Watch the bridges' OpenFlow sessions, the clock, and what switches say of themselves."""
        cables = (self._listener.run(),) if self._settings.lldp else ()
        return (self._audit(), *self._sessions(), *cables)

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
                "devices": self.devices,
            },
        )

    async def apply_network(self, view: NetworkView) -> None:
        """Take a network; Infeasible if this host is not set up for it. Its ports tell why as well."""
        try:
            check_addresses(view)
        except ValueError as error:
            raise Infeasible(f"network {view.id}: {error}", code="BAD_ADDRESS") from error
        await super().apply_network(view)
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
        await super().apply_port(view)

    def _failure(self, port: PlannedPort, views: Views, outcome: Outcome) -> str:
        """Say why the bridges that a port needs do not have their flows; empty if they do."""
        network = views.networks.get(port.view.network_id)
        needed = [self._layout.integration_bridge]
        if network is not None and network.network_type in TUNNEL_TYPES:
            needed.append(self._layout.tunnel_bridge)
        if network is not None and network.network_type in PHYSICAL_TYPES:
            needed.append(self._layout.physical_networks.get(network.physical_network or "", ""))
        reasons = (outcome.failures[bridge].reason for bridge in needed if bridge in outcome.failures)
        return next(reasons, "")

    def _listen_to(self, uplinks: tuple[str, ...]) -> None:
        if self._settings.is_local and not self._settings.lldp_interfaces and uplinks != self._cables:
            self._cables = uplinks
            self._listener.look_again()

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
        self.wake()

    async def _audit(self) -> None:
        while True:
            await asyncio.sleep(self._settings.audit_interval)
            self._wiring.forget_all()
            self.wake()
