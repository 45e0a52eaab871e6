"""Deliveries, for operators: what each driver has acknowledged of a resource, what it is owed, and why it is late.

Nothing here changes anything. A state follows from a row of the ledger and from
what this process hears of the driver, so a driver that falls silent changes its
part of the answer, and nothing that is stored.
"""

import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec import Struct

from jackfield_core.context import RequestContext
from jackfield_core.db.base import now
from jackfield_core.db.delivery_state import DeliveryState, Doubt, Hearings, delivery_state, doubt_of
from jackfield_core.db.query import ListQuery
from jackfield_core.db.state_condition import in_states, judged
from jackfield_core.db.status import Delivery, Place, StatusTable
from jackfield_core.db.unit_of_work import UnitOfWork
from jackfield_core.errors import Forbidden, NotFound
from jackfield_core.types import Kind

ORPHAN = Doubt("ORPHAN", "it is on a device and known to nobody; it is removed when an operator agrees")


class DeliveryStatus(Struct, frozen=True):
    """A delivery and its state.

    *reason* is a stable name and *message* a sentence for the operator; both are
    empty if there is nothing to explain. *since* is when the oldest change that
    is owed was made, or if nothing is owed, when the state began, as far as that
    is known. *next_attempt* is None while an attempt is under way, or waits for
    something else than time.
    """

    delivery: Delivery
    state: DeliveryState
    reason: str
    message: str
    since: datetime | None
    next_attempt: datetime | None

    @property
    def id(self) -> str:
        """Name of the delivery: ``driver:kind:id``; no name of a driver has a colon."""
        return f"{self.delivery.driver}:{self.delivery.kind}:{self.delivery.resource_id}"


class StatusService:
    """What operators can see of deliveries; *heard* returns what is heard of drivers, in their order."""

    def __init__(self, unit_of_work: UnitOfWork, heard: Callable[[], Hearings]) -> None:
        self._unit_of_work = unit_of_work
        self._heard = heard
        self.dialect = unit_of_work.dialect

    async def get(self, ctx: RequestContext, id: str) -> DeliveryStatus:
        """Return one delivery.

        Raises:
            NotFound: There is none of that name, or the caller is no administrator.
        """
        place = _place(id)
        if not ctx.is_admin or place is None:
            raise NotFound.of("delivery", id)
        async with self._unit_of_work.reading() as tables:
            deliveries = StatusTable(tables.connection)
            # Our own ids are lower-case, which a client need not know; those that devices name may be anything.
            ours = place._replace(resource_id=place.resource_id.lower())
            delivery = await deliveries.find(place) or (await deliveries.find(ours) if ours != place else None)
        if delivery is None:
            raise NotFound.of("delivery", id)
        return status_of(delivery, self._heard(), now())

    async def list(
        self, ctx: RequestContext, query: ListQuery, states: Sequence[DeliveryState] = ()
    ) -> Sequence[DeliveryStatus]:
        """Return one page of deliveries, in one of *states* if there are any.

        Raises:
            Forbidden: The caller is no administrator.
            NotFound: The marker cannot be the name of a delivery.
        """
        if not ctx.is_admin:
            raise Forbidden("get_delivery is disallowed by policy: deliveries are for administrators.")
        heard = self._heard()
        async with self._unit_of_work.reading() as tables:
            if states:
                narrow = in_states(states, await judged(tables.connection, heard), self.dialect)
                query = dataclasses.replace(query, conditions=(*query.conditions, narrow))
            found = await _page(StatusTable(tables.connection), query)
        at = now()
        return [status_of(one, heard, at) for one in found]

    async def of_resources(
        self, ctx: RequestContext, kind: Kind, ids: Sequence[str]
    ) -> dict[str, Sequence[DeliveryStatus]]:
        """Return the deliveries of resources by id, in the order of drivers; of all *ids*, for administrators only."""
        found: dict[str, list[DeliveryStatus]] = {id: [] for id in ids}
        if not ctx.is_admin or not ids:
            return {**found}
        async with self._unit_of_work.reading() as tables:
            deliveries = await StatusTable(tables.connection).of_resources(kind, ids)
        heard, at = self._heard(), now()
        order = {name: position for position, name in enumerate(heard)}
        for one in sorted(deliveries, key=lambda one: (order.get(one.driver, len(order)), one.driver)):
            found[one.resource_id].append(status_of(one, heard, at))
        return {**found}


def status_of(delivery: Delivery, heard: Hearings, at: datetime) -> DeliveryStatus:
    """Return the state of a delivery at a time, and what there is to say of it."""
    hearing = heard.get(delivery.driver)
    state = delivery_state(delivery, hearing, delivery.unreachable)
    doubt = doubt_of(delivery, hearing, delivery.unreachable)
    cause = ORPHAN if state is DeliveryState.HELD else doubt
    if cause is None or (state is not DeliveryState.UNKNOWN and delivery.reason):
        cause = Doubt(delivery.reason, delivery.message)
    return DeliveryStatus(
        delivery, state, cause.reason, cause.message, _since(delivery, doubt), _next_attempt(delivery, doubt, at)
    )


def _since(delivery: Delivery, doubt: Doubt | None) -> datetime | None:
    if delivery.owed_since:
        return delivery.owed_since
    return doubt.since if doubt else delivery.acknowledged_at


def _next_attempt(delivery: Delivery, doubt: Doubt | None, at: datetime) -> datetime | None:
    is_under_way = delivery.leased_until is not None and delivery.leased_until > at
    return None if doubt or is_under_way or not delivery.owed else delivery.due_at


async def _page(deliveries: StatusTable, query: ListQuery) -> Sequence[Delivery]:
    marker = None
    if query.marker is not None:
        marker = _place(query.marker)
        if marker is None:
            raise NotFound.of("delivery", query.marker)
    return await deliveries.page(query.conditions, limit=query.limit, marker=marker, is_backwards=query.page_reverse)


def _place(id: str) -> Place | None:
    """Return the place of a delivery in lists by its name, or None if no delivery has such a name."""
    parts = id.split(":")
    return Place(parts[1], parts[2], parts[0]) if len(parts) == 3 else None
