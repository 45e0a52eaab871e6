"""Routes of deliveries: administrators look at them, and nobody changes them here."""

from collections.abc import Mapping, Sequence

from jackfield_core.api.listing import Condition, Listing, read_fields, read_pairs
from jackfield_core.api.message import Answer, Request
from jackfield_core.api.resource import Handler
from jackfield_core.api.schemas import delivery as schema
from jackfield_core.api.schemas.values import flag
from jackfield_core.api.view import View
from jackfield_core.db import status
from jackfield_core.services.status import StatusService

PAGE = 1000
"""Largest page, unless the settings say less: there are as many deliveries as resources times drivers."""


class Deliveries:
    """``/v2.0/deliveries``."""

    collection = "deliveries"

    def __init__(self, service: StatusService, *, page_limit: int) -> None:
        self._service = service
        self._view = View("delivery", schema.render, schema.DeliveryOut, collection=self.collection)
        conditions: dict[str, Condition] = {
            "driver": status.of_drivers,
            "kind": status.of_kinds,
            "resource_id": status.of_resource_ids,
            "network_id": lambda values: status.on_networks(values, service.dialect),
            "owed": lambda values: status.is_owed([flag("owed", value) for value in values]),
        }
        self._listing = Listing({}, conditions, min(page_limit or PAGE, PAGE), elsewhere=("state",))
        self.on_collection: Mapping[str, Handler] = {"GET": self.list}
        self.on_member: Mapping[str, Handler] = {"GET": self.show}

    async def list(self, request: Request, _id: str) -> Answer:
        """Answer with one page of deliveries; ``state`` is no column, it depends on what is heard of drivers."""
        page = self._listing.page(request.query_string, request.ctx)
        states = schema.states([value for name, value in page.pairs if name == "state"])
        shapes = self._view.shapes(await self._service.list(request.ctx, page.query, states), request.ctx)
        return self._view.page(shapes, page, request)

    async def show(self, request: Request, id: str) -> Answer:
        """Answer with one delivery, called ``driver:kind:id``."""
        fields: Sequence[str] = read_fields(read_pairs(request.query_string)) if request.query_string else ()
        (shape,) = self._view.shapes([await self._service.get(request.ctx, id)], request.ctx)
        return self._view.one(200, shape, fields)
