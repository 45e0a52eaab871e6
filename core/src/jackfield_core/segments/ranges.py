"""Ranges in the settings, read into rows.

A row's id follows from what it says, so that all processes with the same
settings write the same rows.
"""

import itertools
import uuid
from collections.abc import Iterable, Sequence

from jackfield_core.db.segment import SegmentRange

_NAMESPACE = uuid.UUID("5f0f3e0c-6d0b-4f5e-9a57-2f1c6a0e7d11")


def default_range(network_type: str, physical_network: str, minimum: int, maximum: int) -> SegmentRange:
    """Return the row of a range from the settings; an empty range only makes the physical network known."""
    name = f"{network_type}/{physical_network}/{minimum}/{maximum}"
    return SegmentRange(
        id=str(uuid.uuid5(_NAMESPACE, name)),
        network_type=network_type,
        physical_network=physical_network,
        minimum=minimum,
        maximum=maximum,
        is_default=True,
    )


def tunnel_ranges(network_type: str, texts: Iterable[str], *, largest: int) -> Sequence[SegmentRange]:
    """Read ranges such as ``"100:199"``.

    Raises:
        ValueError: A range cannot be read, leaves ``1..largest``, or overlaps another.
    """
    where = f"segments.{network_type}.ranges"
    ranges = [default_range(network_type, "", *_numbers(where, text, text.split(":"), largest)) for text in texts]
    return without_overlap(where, ranges)


def vlan_ranges(network_type: str, texts: Iterable[str], *, largest: int) -> Sequence[SegmentRange]:
    """Read ranges such as ``"physnet1:100:199"``, or ``"physnet1"`` alone for a network without a pool.

    Raises:
        ValueError: A range cannot be read, leaves ``1..largest``, or overlaps another.
    """
    where = f"segments.{network_type}.ranges"
    ranges = []
    for text in texts:
        physical_network, *numbers = text.split(":")
        if not 0 < len(physical_network) <= 64:
            raise ValueError(f'{where}: "{text}" does not begin with a physical network of 1 to 64 characters')
        low, high = _numbers(where, text, numbers, largest) if numbers else (1, 0)
        ranges.append(default_range(network_type, physical_network, low, high))
    return without_overlap(where, ranges)


def without_overlap(where: str, ranges: Sequence[SegmentRange]) -> Sequence[SegmentRange]:
    """Return *ranges* if no number is in two of them.

    Raises:
        ValueError: Two ranges share a number.
    """
    ordered = sorted(ranges, key=lambda one: (one.physical_network, one.minimum))
    for lower, upper in itertools.pairwise(ordered):
        if lower.physical_network == upper.physical_network and upper.minimum <= lower.maximum:
            raise ValueError(
                f"{where}: {lower.minimum}:{lower.maximum} and {upper.minimum}:{upper.maximum} share numbers"
            )
    return ranges


def _numbers(where: str, text: str, parts: Sequence[str], largest: int) -> tuple[int, int]:
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise ValueError(f'{where}: "{text}" does not end with two numbers such as "100:199"')
    low, high = int(parts[0]), int(parts[1])
    if not 1 <= low <= high <= largest:
        raise ValueError(f'{where}: "{text}" is not within 1:{largest}, lowest number first')
    return low, high
