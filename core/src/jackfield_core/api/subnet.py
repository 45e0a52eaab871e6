"""Routes of subnets."""

from functools import partial

from jackfield_core.api import conditions
from jackfield_core.api.listing import Condition, Listing
from jackfield_core.api.resource import Deliveries, Resource
from jackfield_core.api.schemas import delivery
from jackfield_core.api.schemas import subnet as schema
from jackfield_core.api.schemas.envelope import Envelope
from jackfield_core.api.view import View
from jackfield_core.db.subnet import Subnet, SubnetTable, table
from jackfield_core.services.attribute import AttributeService
from jackfield_core.services.spec import SubnetCreate, SubnetUpdate
from jackfield_core.services.status import StatusService
from jackfield_core.services.subnet import SubnetService
from jackfield_core.types import Kind


class Subnets(Resource[SubnetCreate, SubnetUpdate, Subnet]):
    """``/v2.0/subnets``."""

    def __init__(
        self, service: SubnetService, attributes: AttributeService, status: StatusService, *, page_limit: int
    ) -> None:
        view = View("subnet", schema.render, schema.SubnetOut)
        known = {*view.attributes, delivery.ATTRIBUTE}
        filters: dict[str, Condition] = {
            **conditions.of_timestamps(table),
            "ip_version": partial(conditions.integer, "ip_version", table.c.ip_version),
        }
        super().__init__(
            service,
            service.create_bulk,
            view=view,
            creation=Envelope("subnet", schema.CreateBody, known, is_creation=True),
            change=Envelope("subnet", schema.UpdateBody, known),
            listing=Listing(SubnetTable.filters, filters, page_limit),
            attributes=attributes,
            deliveries=Deliveries(status, Kind.SUBNET),
        )
