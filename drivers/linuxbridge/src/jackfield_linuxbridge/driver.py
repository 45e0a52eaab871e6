"""The mechanism driver: it binds ports to hosts whose agent can carry them with Linux bridges."""

from __future__ import annotations

from jackfield_sdk import (
    Agent,
    BindContext,
    Bound,
    HostDriver,
    Segment,
    VifType,
    bridge_vif_details,
    tap_vif_details,
)

from jackfield_linuxbridge.layout import bridge_name
from jackfield_linuxbridge.obstacles import PHYSICAL_TYPES, TUNNEL_TYPES
from jackfield_linuxbridge.version import VERSION


class LinuxBridgeDriver(HostDriver):
    """Binds ports to hosts that run `jackfield-linuxbridge agent`."""

    name = "linuxbridge"
    version = VERSION
    switch = "Linux bridge"
    physical_types = PHYSICAL_TYPES
    tunnel_types = TUNNEL_TYPES
    network_types = PHYSICAL_TYPES | TUNNEL_TYPES | {"local"}

    def bound(self, context: BindContext, segment: Segment, agent: Agent) -> Bound:
        """Return the binding with the VIF type that the agent reported."""
        if agent.configurations.get("vif_type") == VifType.BRIDGE:
            return Bound(segment.id, VifType.BRIDGE, bridge_vif_details(bridge_name(context.network.id)))
        return Bound(segment.id, VifType.TAP, tap_vif_details(context.port.mac_address))
