"""One pass over the host: look, plan, write the difference, sweep.

The order inside a pass is what keeps frames where they belong:
1. bridges and what carries them;
2. taps of ports that are gone leave their bridges, and so do those that were renamed, so that no rule that held
   them is missed;
3. the filter has its rules for every tap that is about to be wired, and one in a bridge that it cannot judge
   leaves;
4. taps join their bridges, and tunnels know what is behind them;
5. what nobody wants any more goes, an uplink's addresses first.

A device that fails concerns the ports of its network only; everything else is made. First start,
restart, update and repair are all this pass. Everything here blocks and runs in one thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import structlog
from jackfield_sdk import DriverError, PassOutcome, PortOutcome, PortState, PortView, Views

from jackfield_linuxbridge.announcement import announce
from jackfield_linuxbridge.antispoof import Filter, FilteredPort
from jackfield_linuxbridge.desired import Plan, PlannedPort
from jackfield_linuxbridge.difference import (
    Change,
    Operation,
    foreign_ports,
    network_operations,
    port_operations,
    sweep_operations,
    unplug_operations,
)
from jackfield_linuxbridge.forwarding import Forwarding
from jackfield_linuxbridge.kernel import Kernel
from jackfield_linuxbridge.layout import Layout
from jackfield_linuxbridge.observed import Observed
from jackfield_linuxbridge.plan import make_plan

log = structlog.get_logger(__name__)

# Ports of the cloud's own services, as of a DHCP server, may send what a guest may not.
_TRUSTED_OWNER = "network:"


class Wiring:
    """Makes one host true to the views."""

    def __init__(self, layout: Layout) -> None:
        """Open what passes need, in the thread that makes them."""
        self._layout = layout
        self._kernel = Kernel(layout)
        self._forwarding = Forwarding(self._kernel.netlink)
        self._filter = Filter(layout.deployment)
        self._wired: dict[str, PlannedPort] = {}

    def close(self) -> None:
        """Let go; the host stays as it is."""
        self._kernel.close()

    def forget(self) -> None:
        """Compare the forwarding entries with the kernel in the next pass."""
        self._forwarding.forget()

    def reconcile(self, views: Views, *, sweep: bool) -> PassOutcome:
        """Do one pass; stale things go only if `sweep`. RetryLater if the devices cannot be listed."""
        observed = self._kernel.look()
        plan = make_plan(views, observed, self._layout)
        failures: dict[str, str] = {}
        observed = self._ensure_networks(plan, observed, failures)
        if sweep:
            self._each(unplug_operations(plan, observed, self._layout), "stale taps", failures)
        self._filter_ports(plan, observed, failures, sweep=sweep)
        self._ensure_ports(plan, failures)
        self._ensure_forwarding(plan, observed, failures)
        if sweep:
            self._sweep(plan, observed, failures)
        self._wired = {port.view.id: port for port in plan.ports}
        return PassOutcome([_outcome(port, failures) for port in plan.ports], failures)

    def announce(self, ports: Sequence[PortView]) -> None:
        """Send a frame of each port that the last pass wired, so that switches learn where it is."""
        announce(self._kernel.netlink, [self._wired[port.id] for port in ports if port.id in self._wired])

    def _ensure_networks(self, plan: Plan, observed: Observed, failures: dict[str, str]) -> Observed:
        """Have the devices of all networks, and return how the host looks then."""
        wanted = {key: network_operations(network, observed) for key, network in plan.networks.items()}
        for network_id, operations in wanted.items():
            self._each(operations, network_id, failures)
            if operations:
                self._forwarding.doubt(plan.networks[network_id], observed)
        return self._kernel.look() if any(wanted.values()) else observed

    def _filter_ports(self, plan: Plan, observed: Observed, failures: dict[str, str], *, sweep: bool) -> None:
        """Have the taps judged; one in a bridge of ours that is not and cannot be leaves it."""
        filtered = [_filtered(port) for port in plan.ports if port.device]
        unfiltered = self._filter.reconcile(filtered, sweep=sweep)
        failures |= unfiltered
        for port in filtered:
            tap = observed.links.get(port.device)
            bridge = observed.links.get(tap.bridge) if tap is not None else None
            ours = bridge is not None and bridge.mark is not None
            if ours and port.id in unfiltered and port.port_security_enabled and not self._filter.judges(port.device):
                self._each([Change(port.device, bridge="")], port.id, failures)

    def _ensure_ports(self, plan: Plan, failures: dict[str, str]) -> None:
        """Have the taps where they belong; one that cannot be wired as it should be stays out."""
        for port in plan.ports:
            held_back = port.view.id in failures or port.view.network_id in failures
            if not (port.bridge and held_back):
                self._each(port_operations(port, self._layout), port.view.id, failures)

    def _ensure_forwarding(self, plan: Plan, observed: Observed, failures: dict[str, str]) -> None:
        for network_id, network in plan.networks.items():
            try:
                if network_id not in failures:
                    self._forwarding.ensure(network, observed)
            except DriverError as error:
                failures[network_id] = error.reason

    def _sweep(self, plan: Plan, observed: Observed, failures: dict[str, str]) -> None:
        for network_id, operations in sweep_operations(plan, frozenset(plan.obstacles), observed).items():
            self._each(operations, network_id, failures)
        for link in observed.marked("bridge"):
            foreign = foreign_ports(link.name, observed)
            if foreign and link.mark is not None and link.mark.id not in plan.networks:
                log.warning("bridge.left", bridge=link.name, reason=f"{', '.join(foreign)} is not ours")

    def _each(self, operations: Iterable[Operation], what: str, failures: dict[str, str]) -> None:
        """Do operations in order, and leave out what comes after one that fails."""
        try:
            for operation in operations:
                self._kernel.do(operation)
        except DriverError as error:
            failures[what] = error.reason


def _filtered(port: PlannedPort) -> FilteredPort:
    view = port.view
    trusted = view.device_owner.startswith(_TRUSTED_OWNER)
    return FilteredPort(
        id=view.id,
        # Before there is a tap: whoever makes it may put it into the bridge before the agent hears of it.
        device=port.device,
        mac_address=view.mac_address,
        ip_addresses=view.ip_addresses,
        allowed_address_pairs=view.allowed_address_pairs,
        port_security_enabled=view.port_security_enabled and not trusted,
    )


def _outcome(port: PlannedPort, failures: Mapping[str, str]) -> PortOutcome:
    failure = failures.get(port.view.id) or failures.get(port.view.network_id, "")
    return PortOutcome(port.view, port.state, port.reason, failure if port.state is PortState.UP else "")
