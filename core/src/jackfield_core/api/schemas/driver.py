"""Mechanism drivers on the wire; the command line prints for scripts what the API answers.

All of it is read by operators and their programs only, so there is no shape of
Neutron's to keep to: values go out as the services have them, with the times
that the rest of the API has.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from jackfield_core.api.schemas.moment import moment
from jackfield_core.api.schemas.values import Uuid
from jackfield_core.db.base import now
from jackfield_core.db.lag import Lag
from jackfield_core.services.difference import Report
from jackfield_core.services.driver import LONGEST_REASON
from jackfield_core.services.driver_looks import DriverDetail
from jackfield_core.services.inspection import Inspection
from jackfield_core.types import Kind

Shape = dict[str, Any]


class QuarantineBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Why nobody shall call a driver."""

    reason: Annotated[str, Meta(min_length=1, max_length=LONGEST_REASON)]


class ResyncBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What a resync may do besides making good what is missing or changed."""

    remove_orphans: bool = False
    everything: bool = False


class DebtBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Which debts are meant: those of one resource, of a kind, or all of the driver."""

    kind: Kind | None = None
    id: Uuid | None = None


class NoBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing is to be said."""


def driver(inspection: Inspection) -> Shape:
    """Return a driver as operators see it in a list."""
    shape: Shape = plain(inspection)
    return shape


def detail(found: DriverDetail) -> Shape:
    """Return all that there is to know of a driver."""
    return {
        **plain(found.inspection),
        "lag": lag(found.lag),
        "held_orphans": found.held,
        "audit": plain(found.audit),
        "actions": plain(found.actions),
        "finalization": plain(found.finalization),
    }


def lag(found: Lag) -> Shape:
    """Return how far behind a driver is; *oldest_seconds* is what alerts watch."""
    return {**plain(found), "oldest_seconds": round(found.age(now()), 1)}


def report(found: Report) -> Shape:
    """Return what a dry run found."""
    return {**plain(found), "in_sync": found.is_in_sync}


def plain(value: object) -> Any:
    """Return a value of a service as JSON has it, times included."""
    return _timed(msgspec.to_builtins(value, builtin_types=(datetime,)))


def _timed(value: Any) -> Any:
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, Mapping):
        return {name: _timed(one) for name, one in value.items()}
    return [_timed(one) for one in value] if isinstance(value, list | tuple) else value
