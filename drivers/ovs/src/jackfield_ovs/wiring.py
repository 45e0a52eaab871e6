"""One pass over the switch: look, plan, write the difference, sweep.

The order inside a pass is what keeps frames where they belong:
1. OVSDB: bridges that drop by default, patch ports that lead nowhere, tunnels, tags;
2. flows, now that every port has its number;
3. patch ports are joined, because only now both ends know what to drop;
4. what nobody wants any more goes, after the last flow that named it; tunnels linger.

First start, restart, update and repair are all this pass. It writes nothing if nothing differs,
so a pass too many is harmless. Everything here blocks and runs in one thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import structlog
from jackfield_sdk import DriverError, PortView, Views
from jackfield_sdk.announcement import rarp_request

from jackfield_ovs.forwarding import bridge_flows
from jackfield_ovs.layout import Layout
from jackfield_ovs.linger import Linger
from jackfield_ovs.observed import Observed, ObservedInterface
from jackfield_ovs.openflow import BridgeFlows, Ofctl
from jackfield_ovs.plan import Plan, make_plan
from jackfield_ovs.settings import OvsSettings
from jackfield_ovs.vswitch import Change, Vswitch

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass came to. `failures` are the bridges whose flows could not be written."""

    plan: Plan
    failures: Mapping[str, DriverError]


class Wiring:
    """Makes one switch true to the views."""

    def __init__(self, settings: OvsSettings, vswitch: Vswitch) -> None:
        """Take a connected switch."""
        self._layout = settings.layout
        self._vswitch = vswitch
        self._ofctl = Ofctl(settings)
        self._flows: dict[str, BridgeFlows] = {}
        self._linger = Linger(settings.tunnel_linger)
        self._numbers: dict[str, int] = {}
        self._plugged: tuple[ObservedInterface, ...] = ()
        self.uplinks: tuple[str, ...] = ()
        """Devices that the last pass found on the bridges of physical networks."""

    def reconcile(self, views: Views, *, sweep: bool) -> Outcome:
        """Do one pass; stale things go only if `sweep`.

        RetryLater if the OVSDB cannot be read or written; nothing after it was tried then.
        """
        observed = self._vswitch.look()
        self._forget_flushed(observed)
        self._ensure_ports(make_plan(views, observed, self._layout), views, observed)
        observed = self._vswitch.look()
        self._remember_plugged(observed)
        self.uplinks = tuple(_uplinks(observed, self._layout))
        plan = make_plan(views, observed, self._layout)
        failures = self._ensure_flows(plan, views, observed, sweep)
        if not failures:
            self._open_patches(plan, observed)
            if sweep:
                self._sweep(plan, views, observed)
        self._numbers = {
            port.view.id: port.interface.ofport
            for port in plan.ports
            if port.interface is not None and port.interface.ofport is not None
        }
        return Outcome(plan, failures)

    def announce(self, ports: Sequence[PortView]) -> None:
        """Send a frame of each port as if its guest had, so that switches learn where it is. One call for all."""
        frames = [
            (self._numbers[port.id], rarp_request(port.mac_address)) for port in ports if port.id in self._numbers
        ]
        if frames:
            self._ofctl.send(self._layout.integration_bridge, frames)

    def _remember_plugged(self, observed: Observed) -> None:
        guests = observed.on_bridge(self._layout.integration_bridge)
        self._plugged = tuple(interface for interface in guests if interface.iface_id)

    def _plug_again(self, change: Change, views: Views, observed: Observed) -> None:
        """Plug what a bridge that somebody deleted took with it; compute services plug a guest only once."""
        if self._layout.integration_bridge in observed.bridges:
            return
        for interface in self._plugged:
            if interface.iface_id in views.ports and interface.name not in observed.interfaces:
                change.plug_again(interface)
                log.info("port.plugged_again", interface=interface.name, bridge=interface.bridge)

    def forget(self, bridge: str) -> None:
        """Compare a bridge's flows with the switch in the next pass."""
        if bridge in self._flows:
            self._flows[bridge].forget()

    def forget_all(self) -> None:
        """Compare the flows of all bridges with the switch in the next pass."""
        for bridge in tuple(self._flows):
            self.forget(bridge)

    def _forget_flushed(self, observed: Observed) -> None:
        # Open vSwitch drops all flows of a bridge whose fail mode changes: somebody has
        # changed it, and this pass changes it back.
        for name, bridge in observed.bridges.items():
            if bridge.fail_mode != "secure" and name in (self._layout.integration_bridge, self._layout.tunnel_bridge):
                self.forget(name)

    def _ensure_ports(self, plan: Plan, views: Views, observed: Observed) -> None:
        layout = self._layout
        with self._vswitch.change(observed) as change:
            change.ensure_bridge(layout.integration_bridge, layout.datapath_type)
            self._plug_again(change, views, observed)
            if layout.has_tunnels:
                change.ensure_bridge(layout.tunnel_bridge, layout.datapath_type)
            self._ensure_controllers(change, observed)
            for patch in plan.patches:
                change.ensure_patch(patch)
            for tunnel in plan.tunnels.values():
                change.ensure_tunnel(layout.tunnel_bridge, tunnel)
            for network_id, vlan in plan.local_vlans.items():
                change.ensure_local_vlan(layout.integration_bridge, network_id, vlan)
            for port in plan.ports:
                if port.interface is not None and port.tag is not None:
                    change.ensure_tag(port.interface, port.tag)

    def _ensure_controllers(self, change: Change, observed: Observed) -> None:
        made = {self._layout.integration_bridge}
        made |= {self._layout.tunnel_bridge} if self._layout.has_tunnels else set()
        for bridge in self._layout.bridges:
            target = self._ofctl.listening_at(bridge)
            if target and (bridge in made or bridge in observed.bridges):
                change.ensure_controller(bridge, target)

    def _ensure_flows(self, plan: Plan, views: Views, observed: Observed, sweep: bool) -> dict[str, DriverError]:
        failures: dict[str, DriverError] = {}
        for bridge, flows in bridge_flows(plan, views, observed, self._layout).items():
            try:
                self._flows_of(bridge).ensure(flows, sweep=sweep)
            except DriverError as error:
                failures[bridge] = error
        return failures

    def _open_patches(self, plan: Plan, observed: Observed) -> None:
        with self._vswitch.change(observed) as change:
            for patch in plan.patches:
                if observed.ofport(patch.name, patch.bridge) is not None:
                    change.open_patch(patch)

    def _sweep(self, plan: Plan, views: Views, observed: Observed) -> None:
        with self._vswitch.change(observed) as change:
            stale = list(_stale_ports(plan, views, observed, self._layout))
            over = self._linger.over(interface.name for interface in stale if interface.mark == "tunnel")
            for interface in stale:
                if interface.mark == "tunnel" and interface.name not in over:
                    continue
                if interface.mark == "port":
                    change.remove_tag(interface)
                elif self._cleared(interface.bridge):
                    change.remove_port(interface.port, interface.bridge)
                log.info("port.swept", port=interface.port, bridge=interface.bridge, mark=interface.mark)
            for network_id in observed.local_vlans.keys() - views.networks.keys():
                change.remove_local_vlan(self._layout.integration_bridge, observed.local_vlans[network_id])

    def _cleared(self, bridge: str) -> bool:
        """Return True once a bridge that left the settings holds no flow of ours.

        A port's number is given again, and a rule of ours must not catch the next owner.
        """
        in_use = set(self._layout.physical_networks.values()) | {self._layout.integration_bridge}
        in_use |= {self._layout.tunnel_bridge} if self._layout.has_tunnels else set()
        if bridge in in_use:
            return True
        if not self._ofctl.reaches(bridge):
            log.warning("bridge.left", bridge=bridge, reason="it is not in the settings any more")
            return False
        self._flows_of(bridge).ensure((), sweep=True)
        return True

    def _flows_of(self, bridge: str) -> BridgeFlows:
        if bridge not in self._flows:
            judges = bridge == self._layout.integration_bridge
            self._flows[bridge] = BridgeFlows(self._ofctl, bridge, fragments=judges)
        return self._flows[bridge]


def _stale_ports(plan: Plan, views: Views, observed: Observed, layout: Layout) -> Iterator[ObservedInterface]:
    wanted = {patch.name for patch in plan.patches} | plan.tunnels.keys()
    for interface in observed.interfaces.values():
        if interface.mark in ("patch", "tunnel"):
            stale = interface.name not in wanted
        else:
            on_integration = interface.bridge == layout.integration_bridge
            stale = interface.mark == "port" and on_integration and interface.iface_id not in views.ports
        if stale:
            yield interface


def _uplinks(observed: Observed, layout: Layout) -> Iterator[str]:
    for bridge in sorted(layout.physical_networks.values()):
        for interface in observed.on_bridge(bridge):
            if interface.type in ("", "system") and interface.name != bridge and not interface.iface_id:
                yield interface.name
