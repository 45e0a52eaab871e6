"""Routes of networks."""

from functools import partial

from jackfield_core.api import conditions
from jackfield_core.api.listing import Condition, Listing
from jackfield_core.api.resource import Deliveries, Resource
from jackfield_core.api.schemas import delivery
from jackfield_core.api.schemas import network as schema
from jackfield_core.api.schemas.envelope import Envelope
from jackfield_core.api.view import View
from jackfield_core.db.network import NetworkTable, table
from jackfield_core.db.tree import NetworkTree
from jackfield_core.services.attribute import AttributeService
from jackfield_core.services.network import NetworkService
from jackfield_core.services.spec import NetworkCreate, NetworkUpdate
from jackfield_core.services.status import StatusService
from jackfield_core.types import Kind


class Networks(Resource[NetworkCreate, NetworkUpdate, NetworkTree]):
    """``/v2.0/networks``."""

    def __init__(
        self, service: NetworkService, attributes: AttributeService, status: StatusService, *, page_limit: int
    ) -> None:
        view = View("network", schema.render, schema.NetworkOut, render_for_users=schema.render_for_users)
        known = {*view.attributes, delivery.ATTRIBUTE}
        filters: dict[str, Condition] = {
            **conditions.of_timestamps(table),
            **conditions.of_provider(),
            "mtu": partial(conditions.integer, "mtu", table.c.mtu),
            "router:external": partial(conditions.boolean, "router:external", table.c.external),
        }
        super().__init__(
            service,
            service.create_bulk,
            view=view,
            creation=Envelope("network", schema.CreateBody, known, is_creation=True),
            change=Envelope("network", schema.UpdateBody, known),
            listing=Listing(NetworkTable.filters, filters, page_limit, hidden=conditions.of_provider()),
            attributes=attributes,
            deliveries=Deliveries(status, Kind.NETWORK),
        )
