"""The mechanism driver: it binds ports to hosts whose Open vSwitch can carry them, as their agents say."""

from __future__ import annotations

from jackfield_sdk import Agent, BindContext, Bound, HostDriver, Segment, VifType, ovs_vif_details

from jackfield_ovs.plan import PHYSICAL_TYPES, TUNNEL_TYPES
from jackfield_ovs.version import VERSION


class OvsDriver(HostDriver):
    """Binds ports to hosts that run `jackfield-ovs agent`."""

    name = "ovs"
    version = VERSION
    switch = "Open vSwitch"
    physical_types = PHYSICAL_TYPES
    tunnel_types = TUNNEL_TYPES
    network_types = PHYSICAL_TYPES | TUNNEL_TYPES | {"local"}

    def bound(self, context: BindContext, segment: Segment, agent: Agent) -> Bound:
        """Return the binding with what the compute service needs to plug into the bridge that the agent reported."""
        told = agent.configurations
        details = ovs_vif_details(
            str(told.get("integration_bridge", "br-int")),
            datapath_type=str(told.get("datapath_type", "system")),
            hybrid_plug=told.get("ovs_hybrid_plug") is True,
        )
        return Bound(segment.id, VifType.OVS, details)
