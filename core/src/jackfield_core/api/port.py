"""Routes of ports."""

from functools import partial

from msgspec import UNSET
from msgspec.structs import replace

from jackfield_core.api import conditions
from jackfield_core.api.listing import Condition, Listing
from jackfield_core.api.message import Answer, Request
from jackfield_core.api.resource import Deliveries, Resource, expected_revision, read_id
from jackfield_core.api.schemas import delivery
from jackfield_core.api.schemas import port as schema
from jackfield_core.api.schemas.envelope import Envelope
from jackfield_core.api.schemas.port_values import merged_options
from jackfield_core.api.view import View
from jackfield_core.db.port import Port, PortTable, table
from jackfield_core.errors import RevisionMismatch
from jackfield_core.services.attribute import AttributeService
from jackfield_core.services.port import PortService
from jackfield_core.services.spec import PortCreate, PortUpdate
from jackfield_core.services.status import StatusService
from jackfield_core.types import Kind

ATTEMPTS = 10
HIDDEN = ("binding:host_id", "binding:vif_type")
"""Filters and sort keys that would tell a user where a port is, and how it is plugged there."""


class Ports(Resource[PortCreate, PortUpdate, Port]):
    """``/v2.0/ports``."""

    def __init__(
        self, service: PortService, attributes: AttributeService, status: StatusService, *, page_limit: int
    ) -> None:
        view = View("port", schema.render, schema.PortOut, render_for_users=schema.render_for_users)
        known = {*view.attributes, delivery.ATTRIBUTE}
        self._body = Envelope("port", schema.UpdateBody, known)
        filters: dict[str, Condition] = {
            **conditions.of_timestamps(table),
            "fixed_ips": partial(conditions.fixed_ips, status.dialect),
            "mac_address": partial(conditions.mac_address, table.c.mac_address),
        }
        super().__init__(
            service,
            service.create_bulk,
            view=view,
            creation=Envelope("port", schema.CreateBody, known, is_creation=True),
            change=self._body,
            listing=Listing(PortTable.filters, filters, page_limit, hidden=HIDDEN),
            attributes=attributes,
            deliveries=Deliveries(status, Kind.PORT),
        )

    async def update(self, request: Request, id: str) -> Answer:
        """Change one port; DHCP options that the request does not name stay as they are."""
        id = read_id(self.name, id)
        opened = self._body.one(request.body, self._vendors(request, is_creation=False))
        body, if_match = opened.body, expected_revision(request)
        spec = self._given(body.spec(), opened)
        if body.extra_dhcp_opts is UNSET:
            return await self._one(request, 200, await self._service.update(request.ctx, id, spec, if_match))
        for attempt in range(ATTEMPTS):
            before = await self._service.get(request.ctx, id)
            options = merged_options(before.extra_dhcp_opts, body.extra_dhcp_opts)
            expected = before.revision_number if if_match is None else if_match
            try:
                after = await self._service.update(request.ctx, id, replace(spec, extra_dhcp_opts=options), expected)
            except RevisionMismatch:
                # Somebody changed the port between the two calls: their options count too.
                if if_match is not None or attempt == ATTEMPTS - 1:
                    raise
            else:
                return await self._one(request, 200, after)
        raise AssertionError("the last attempt returns or raises")
