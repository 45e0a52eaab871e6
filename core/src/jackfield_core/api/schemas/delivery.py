"""Deliveries on the wire: in lists of their own, and as an attribute of the resource that they are about."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from jackfield_core.api.schemas.moment import moment
from jackfield_core.api.schemas.values import one_of
from jackfield_core.db.delivery_state import DeliveryState
from jackfield_core.services.status import DeliveryStatus

ATTRIBUTE = "jackfield:delivery"
"""Attribute of networks, subnets and ports: how far each driver is with them."""


_STATES = tuple(state.value for state in DeliveryState)


class DeliveryPart(Struct, frozen=True):
    """How far one driver is, as operators see it with the resource."""

    driver: str
    state: str
    owed: bool
    desired_revision: int
    acknowledged_revision: int | None
    reason: str
    message: str
    since: str | None
    attempts: int
    next_attempt: str | None


class DeliveryOut(DeliveryPart, frozen=True):
    """A delivery as operators see it in lists."""

    id: str
    kind: str
    resource_id: str
    network_id: str


def render(status: DeliveryStatus) -> DeliveryOut:
    """Return a delivery as operators see it in lists."""
    row = status.delivery
    return DeliveryOut(*(*_values(status), status.id, row.kind, row.resource_id, row.network_id))


def parts(statuses: Sequence[DeliveryStatus]) -> Sequence[DeliveryPart]:
    """Return the deliveries of one resource as operators see them with it."""
    return [DeliveryPart(*_values(status)) for status in statuses]


def states(values: Sequence[str]) -> Sequence[DeliveryState]:
    """Read the values of the filter by state.

    Raises:
        Invalid: There is no such state.
    """
    return [DeliveryState(one_of("state", value, _STATES)) for value in values]


def _values(status: DeliveryStatus) -> tuple[Any, ...]:
    row = status.delivery
    return (
        row.driver,
        status.state,
        row.owed,
        row.desired_revision,
        row.acknowledged_revision,
        status.reason,
        status.message,
        _moment(status.since),
        row.attempts,
        _moment(status.next_attempt),
    )


def _moment(at: datetime | None) -> str | None:
    return moment(at) if at else None
