"""Write a Jackfield mechanism driver or node agent: everything a vendor imports is here.

A driver is a class with hooks (`MechanismDriver`) and one call (`serve`). A node agent is a class
with views to apply (`NodeAgent`) and one call (`run_agent`). Sockets, threads, deadlines, retries
and the wire format are the SDK's affair.
"""

from jackfield_sdk._transport import CannotListen
from jackfield_sdk.agent import RunningAgent, run_agent, start_agent
from jackfield_sdk.answers import (
    Accepted,
    Bound,
    Done,
    InProgress,
    Line,
    NextLevel,
    Owned,
    Skip,
    Unreachable,
    Veto,
)
from jackfield_sdk.attributes import Attribute
from jackfield_sdk.capabilities import (
    Backend,
    BackendHealth,
    BindCapability,
    Interest,
    Phase,
    StateVersions,
)
from jackfield_sdk.context import (
    Action,
    BindContext,
    ChangeContext,
    DriverState,
    NetworkContext,
    PortContext,
    SubnetContext,
)
from jackfield_sdk.driver import MechanismDriver
from jackfield_sdk.errors import DeviceConflict, DriverError, Effect, Infeasible, Rejected, RetryLater
from jackfield_sdk.events import Events
from jackfield_sdk.host_driver import HostDriver
from jackfield_sdk.lane import LaneAgent, PassOutcome, PortOutcome, Views
from jackfield_sdk.lldp_listener import LldpListener
from jackfield_sdk.node import NodeAgent
from jackfield_sdk.reporter import Reporter
from jackfield_sdk.resources import (
    AddressPair,
    Agent,
    AllocationPool,
    Binding,
    BindingLevel,
    DhcpOption,
    FixedIp,
    Host,
    HostRoute,
    Kind,
    LldpNeighbour,
    Network,
    Nic,
    Port,
    Segment,
    Subnet,
)
from jackfield_sdk.serve import RunningServer, serve, start_server
from jackfield_sdk.settings import AgentSettings, ServerSettings
from jackfield_sdk.views import (
    Facts,
    ForwardingEntry,
    Neighbour,
    NetworkView,
    PortState,
    PortView,
    ViewKind,
)
from jackfield_sdk.vif import VifType, bridge_vif_details, host_mac_address, ovs_vif_details, tap_vif_details

__all__ = [
    "Accepted",
    "Action",
    "AddressPair",
    "Agent",
    "AgentSettings",
    "AllocationPool",
    "Attribute",
    "Backend",
    "BackendHealth",
    "BindCapability",
    "BindContext",
    "Binding",
    "BindingLevel",
    "Bound",
    "CannotListen",
    "ChangeContext",
    "DeviceConflict",
    "DhcpOption",
    "Done",
    "DriverError",
    "DriverState",
    "Effect",
    "Events",
    "Facts",
    "FixedIp",
    "ForwardingEntry",
    "Host",
    "HostDriver",
    "HostRoute",
    "InProgress",
    "Infeasible",
    "Interest",
    "Kind",
    "LaneAgent",
    "Line",
    "LldpListener",
    "LldpNeighbour",
    "MechanismDriver",
    "Neighbour",
    "Network",
    "NetworkContext",
    "NetworkView",
    "NextLevel",
    "Nic",
    "NodeAgent",
    "Owned",
    "PassOutcome",
    "Phase",
    "Port",
    "PortContext",
    "PortOutcome",
    "PortState",
    "PortView",
    "Rejected",
    "Reporter",
    "RetryLater",
    "RunningAgent",
    "RunningServer",
    "Segment",
    "ServerSettings",
    "Skip",
    "StateVersions",
    "Subnet",
    "SubnetContext",
    "Unreachable",
    "Veto",
    "ViewKind",
    "Views",
    "VifType",
    "bridge_vif_details",
    "host_mac_address",
    "ovs_vif_details",
    "run_agent",
    "serve",
    "start_agent",
    "start_server",
    "tap_vif_details",
]
