"""The agent on a host: views come in, events of the host come in, and one lane makes the devices true.

The lane is the SDK's (`jackfield_sdk.lane`). What wakes it here is a view from the core, a link that
appears, changes or goes, and the clock, which has the forwarding entries compared. What one pass
does is `wiring`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence

import structlog
from jackfield_sdk import Facts, Infeasible, LaneAgent, LldpListener, NetworkView, PassOutcome, PortView, Views
from jackfield_sdk.addresses import canonical_mac

from jackfield_linuxbridge.capabilities import unsupported
from jackfield_linuxbridge.events import watch_host
from jackfield_linuxbridge.obstacles import TUNNEL_TYPES, obstacle
from jackfield_linuxbridge.plan import check_addresses
from jackfield_linuxbridge.settings import LinuxBridgeSettings
from jackfield_linuxbridge.version import VERSION
from jackfield_linuxbridge.wiring import Wiring

log = structlog.get_logger(__name__)


class LinuxBridgeAgent(LaneAgent):
    """Wires the ports of one host with Linux bridges."""

    agent_type = "Linux bridge agent"
    binary = "jackfield-linuxbridge"
    driver = "linuxbridge"
    version = VERSION

    def __init__(self, settings: LinuxBridgeSettings) -> None:
        """Take the settings; nothing is touched before `start`."""
        self._settings = settings
        self._layout = settings.layout({})
        super().__init__(debounce=settings.debounce, retry_max=settings.retry_max, tunnel_ip=self._layout.tunnel_ip)
        self._wiring: Wiring | None = None

    def open(self) -> None:
        """See what the kernel can, and open the netlink socket."""
        self._layout = self._settings.layout(unsupported())
        for network_type, reason in self._unsupported_here().items():
            log.warning("network_type.unsupported", network_type=network_type, reason=reason)
        self._wiring = Wiring(self._layout)
        log.info("agent.started", physical_networks=self._layout.physical_networks, tunnel_ip=self._layout.tunnel_ip)

    def close(self) -> None:
        """Close the netlink socket."""
        if self._wiring is not None:
            self._wiring.close()

    def reconcile(self, views: Views, *, sweep: bool) -> PassOutcome:
        """Make the host true to the views."""
        assert self._wiring is not None
        return self._wiring.reconcile(views, sweep=sweep)

    def announce(self, ports: Sequence[PortView]) -> None:
        """Let switches learn where ports are that came up: perhaps they came from another host."""
        assert self._wiring is not None
        self._wiring.announce(ports)

    def watches(self) -> Sequence[Coroutine[None, None, None]]:
        """Watch the host's links and addresses, the clock, and what switches say of themselves."""
        return (watch_host(self.wake), self._audit(), *self._cables())

    def facts(self) -> Facts:
        """Tell what settings and kernel promise, with the configuration keys that Neutron's users read."""
        layout = self._layout
        tunnel_types = [name for name in self._settings.tunnel_types if name not in layout.unsupported]
        return Facts(
            physical_networks=layout.physical_networks,
            tunnel_types=tuple(tunnel_types),
            tunnel_ip=layout.tunnel_ip,
            vif_types=(layout.vif_type,),
            configurations={
                "interface_mappings": dict(layout.physical_networks),
                "tunnel_types": tunnel_types,
                "tunneling_ip": layout.tunnel_ip or "",
                "vif_type": layout.vif_type,
                "unsupported": self._unsupported_here(),
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
        """Take a port; Infeasible if its MAC address is none. It is wired when it is plugged."""
        try:
            canonical_mac(view.mac_address)
        except ValueError as error:
            raise Infeasible(f"port {view.id}: {error}", code="BAD_ADDRESS") from error
        await super().apply_port(view)

    def _unsupported_here(self) -> dict[str, str]:
        """Return why the kernel cannot carry what the settings ask for."""
        asked = set(self._settings.tunnel_types) | ({"vlan"} if self._settings.physical_networks else set())
        assert asked <= TUNNEL_TYPES | {"vlan"}
        return {name: reason for name, reason in self._layout.unsupported.items() if name in asked}

    def _cables(self) -> Sequence[Coroutine[None, None, None]]:
        interfaces = self._settings.lldp_interfaces or tuple(self._layout.physical_networks.values())
        if not self._settings.lldp or not interfaces:
            return ()
        return (LldpListener(lambda: interfaces, self._reporter.neighbours).run(),)

    async def _audit(self) -> None:
        while True:
            await asyncio.sleep(self._settings.audit_interval)
            if self._wiring is not None:
                self._wiring.forget()
            self.wake()
