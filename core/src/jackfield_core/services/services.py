"""All services of one process: ``app.py`` builds them, and the routes are given them."""

from collections.abc import Mapping
from dataclasses import dataclass

from jackfield_core.services.agent import AgentService
from jackfield_core.services.attribute import AttributeService
from jackfield_core.services.driver import DriverService
from jackfield_core.services.implementation_details import ImplementationDetailsService
from jackfield_core.services.network import NetworkService
from jackfield_core.services.port import PortService
from jackfield_core.services.port_binding import PortBindingService
from jackfield_core.services.segment import SegmentService
from jackfield_core.services.status import StatusService
from jackfield_core.services.subnet import SubnetService
from jackfield_core.types import Kind


@dataclass(frozen=True, slots=True)
class Services:
    """All services of one process."""

    networks: NetworkService
    subnets: SubnetService
    ports: PortService
    port_bindings: PortBindingService
    implementation_details: ImplementationDetailsService
    segments: SegmentService
    agents: AgentService
    drivers: DriverService
    attributes: Mapping[Kind, AttributeService]
    status: StatusService
