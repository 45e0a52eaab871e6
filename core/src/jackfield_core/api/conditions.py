"""Filters of lists that are more than a comparison with a column."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from jackfield_core.api.faults import bad_request
from jackfield_core.api.listing import Condition
from jackfield_core.api.schemas.values import flag, number, quoted, refuse
from jackfield_core.db import segment
from jackfield_core.db.address import with_address
from jackfield_core.errors import Invalid
from jackfield_core.ipam import mac, pools

LARGEST_INTEGER = (1 << 31) - 1
LARGEST_NUMBER = (1 << 63) - 1
MAX_ALTERNATIVES = 100
"""Values of a filter that is no plain comparison: SQLite nests each one deeper, and 1,000 levels are its end."""


def of_timestamps(table: sa.Table) -> dict[str, Condition]:
    """Return the filters that all resources with timestamps have."""
    return {
        "created_at": partial(_within_seconds, "created_at", table.c.created_at),
        "updated_at": partial(_within_seconds, "updated_at", table.c.updated_at),
        "changed_since": partial(_changed_since, table.c.updated_at),
    }


def of_provider() -> dict[str, Condition]:
    """Return the filters by the segments of a network."""
    return {
        "provider:network_type": lambda values: segment.networks_with("network_type", [*values]),
        "provider:physical_network": lambda values: segment.networks_with("physical_network", [*values]),
        "provider:segmentation_id": lambda values: segment.networks_with(
            "segmentation_id", [number("provider:segmentation_id", value, LARGEST_NUMBER) for value in values]
        ),
    }


def boolean(name: str, column: sa.ColumnElement[Any], values: Sequence[str]) -> sa.ColumnElement[bool]:
    """Compare a boolean column under another name."""
    return column.in_([flag(name, value) for value in values])


def integer(name: str, column: sa.ColumnElement[Any], values: Sequence[str]) -> sa.ColumnElement[bool]:
    """Compare a column of 32 bits: a larger number is no value that it can have."""
    return column.in_([number(name, value, LARGEST_INTEGER) for value in values])


def mac_address(column: sa.ColumnElement[Any], values: Sequence[str]) -> sa.ColumnElement[bool]:
    """Compare MAC addresses in whatever form they are given."""
    return column.in_([_canonical_mac(value) for value in values])


def fixed_ips(dialect: str, values: Sequence[str]) -> sa.ColumnElement[bool]:
    """Find ports by ``ip_address=…``, ``subnet_id=…`` or ``ip_address_substr=…``."""
    pairs = []
    for value in _bounded("fixed_ips", values):
        name, separator, wanted = value.partition("=")
        if not separator or name not in ("ip_address", "subnet_id", "ip_address_substr"):
            raise refuse("fixed_ips", f"{quoted(value)} is not ip_address=…, subnet_id=… or ip_address_substr=…")
        pairs.append((name, _canonical_ip(wanted) if name == "ip_address" else wanted))
    return with_address(pairs, dialect)


def _bounded(name: str, values: Sequence[str]) -> Sequence[str]:
    """Return *values* if they are not too many for one statement."""
    if len(values) > MAX_ALTERNATIVES:
        raise refuse(name, f"there are more than {MAX_ALTERNATIVES} values")
    return values


def _within_seconds(name: str, column: sa.ColumnElement[Any], values: Sequence[str]) -> sa.ColumnElement[bool]:
    # Clients see whole seconds, and the column has more: a second is a range.
    starts = [_time(name, value) for value in _bounded(name, values)]
    return sa.or_(*((column >= start) & (column < start + timedelta(seconds=1)) for start in starts))


def _changed_since(column: sa.ColumnElement[Any], values: Sequence[str]) -> sa.ColumnElement[bool]:
    return column >= min(_time("changed_since", value) for value in values)


def _time(name: str, text: str) -> datetime:
    """Read a time, UTC if it names no zone."""
    try:
        at = datetime.fromisoformat(text)
        at = at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at
        at + timedelta(seconds=1)
    except (ValueError, OverflowError):
        raise bad_request(f"The input {name} must be in the following format: YYYY-MM-DDTHH:MM:SS") from None
    return at


def _canonical_mac(text: str) -> str:
    try:
        return mac.parse(text)
    except Invalid:
        return text


def _canonical_ip(text: str) -> str:
    try:
        return pools.parse_address(text)
    except Invalid:
        return text
