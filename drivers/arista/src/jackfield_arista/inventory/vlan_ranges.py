"""Sets of VLANs, the way people write them: `100-199, 300`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainValidator

FIRST, LAST = 1, 4094

_PART = re.compile(r"(\d{1,4})(?:\s*-\s*(\d{1,4}))?")


@dataclass(frozen=True, slots=True)
class VlanSet:
    """VLANs as ranges with both ends included, in order and merged; it prints as people write it."""

    ranges: tuple[tuple[int, int], ...] = ()

    def __contains__(self, vlan: object) -> bool:
        """Tell whether a VLAN is in one of the ranges."""
        return isinstance(vlan, int) and any(first <= vlan <= last for first, last in self.ranges)

    def __iter__(self) -> Iterator[int]:
        """Yield every VLAN, the lowest first."""
        return (vlan for first, last in self.ranges for vlan in range(first, last + 1))

    def __bool__(self) -> bool:
        """Tell whether there is any VLAN."""
        return bool(self.ranges)

    def __str__(self) -> str:
        """Return the ranges as people write them; nothing is "none"."""
        return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in self.ranges) or "none"


def vlan_set(value: Any) -> VlanSet:
    """Return the VLANs of `300`, `"100-199, 300"` or a list of such; ValueError names the part that is wrong."""
    if isinstance(value, VlanSet):
        return value
    parts = value if isinstance(value, list | tuple | set | frozenset) else str(value).split(",")
    return VlanSet(tuple(_merged(_range(str(part).strip()) for part in parts if str(part).strip())))


def _range(part: str) -> tuple[int, int]:
    match = _PART.fullmatch(part)
    if not match:
        raise ValueError(f"{part[:20]!r} is neither a VLAN nor a range of VLANs such as 100-199")
    first, last = int(match[1]), int(match[2] or match[1])
    if not FIRST <= first <= last <= LAST:
        raise ValueError(f"{part!r} must go upwards within {FIRST} to {LAST}")
    return first, last


def _merged(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    current: tuple[int, int] | None = None
    for first, last in sorted(ranges):
        if current is None or first > current[1] + 1:
            if current is not None:
                yield current
            current = first, last
        else:
            current = current[0], max(current[1], last)
    if current is not None:
        yield current


Vlans = Annotated[VlanSet, PlainValidator(vlan_set)]
"""A field of a model that holds VLANs."""
