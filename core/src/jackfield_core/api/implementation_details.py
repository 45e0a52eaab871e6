"""Routes that a compute node asks before it plugs an interface: ``…-implementation-details/{id}?host=…``."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

from jackfield_core.api.faults import bad_request
from jackfield_core.api.listing import read_fields, read_pairs
from jackfield_core.api.message import Answer, Request
from jackfield_core.api.resource import Handler, read_id
from jackfield_core.api.schemas import implementation_details as schema
from jackfield_core.api.view import View
from jackfield_core.context import RequestContext
from jackfield_core.services.implementation_details import ImplementationDetailsService, NetworkDetails, PortDetails

DetailsT = TypeVar("DetailsT")
Look = Callable[[RequestContext, str, str | None], Awaitable[DetailsT]]


class ImplementationDetails(Generic[DetailsT]):
    """Details of networks or of ports: there is one to look at for each, and no list."""

    on_collection: Mapping[str, Handler] = {}

    def __init__(self, kind: str, look: Look[DetailsT], view: View[DetailsT]) -> None:
        self._kind = kind
        self._look = look
        self._view = view
        self.collection = view.collection
        self.on_member: Mapping[str, Handler] = {"GET": self.show}

    async def show(self, request: Request, id: str) -> Answer:
        """Answer with the details on the host that is asked about."""
        pairs = read_pairs(request.query_string)
        asked = dict(pairs)
        if strange := sorted(asked.keys() - {"host", "fields"}):
            raise bad_request(f"{strange} is invalid attribute for filtering")
        found = await self._look(request.ctx, read_id(self._kind, id), asked.get("host"))
        return self._view.one(200, self._view.shapes([found], request.ctx)[0], read_fields(pairs))


def of_networks(service: ImplementationDetailsService) -> ImplementationDetails[NetworkDetails]:
    """Return the routes of networks."""
    return ImplementationDetails(
        "network",
        service.of_network,
        View(
            "network_implementation_details",
            schema.render_network,
            schema.NetworkDetailsOut,
            collection="network-implementation-details",
            render_for_users=schema.render_network_for_users,
        ),
    )


def of_ports(service: ImplementationDetailsService) -> ImplementationDetails[PortDetails]:
    """Return the routes of ports."""
    return ImplementationDetails(
        "port",
        service.of_port,
        View(
            "port_implementation_details",
            schema.render_port,
            schema.PortDetailsOut,
            collection="port-implementation-details",
            render_for_users=schema.render_port_for_users,
        ),
    )
