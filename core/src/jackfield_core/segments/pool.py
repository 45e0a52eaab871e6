"""One allocator for every kind of number.

Nothing is prepared: a number is free as long as nobody has its row, and taking
it is inserting that row. A few numbers are tried at random, which nearly
always hits while the ranges are not nearly full, and keeps concurrent requests
apart. Only then the database is asked for gaps. A lost race shows as a row
that was not inserted; the next look sees the winner's row, so every turn either
takes a number or learns that one more is gone.
"""

import random
from collections.abc import Sequence

from jackfield_core.db.segment import SegmentRange
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.types import SegmentSpec

PROBES = 4
"""Random numbers that are tried before gaps are searched; a pool that is half full needs more in one of 16 cases."""


async def take(tables: Tables, ranges: Sequence[SegmentRange], segment_id: str) -> SegmentSpec | None:
    """Reserve any free number of *ranges* for a segment; None if there is none."""
    usable = [one for one in ranges if one.minimum <= one.maximum]
    if not usable:
        return None
    sizes = [one.maximum - one.minimum + 1 for one in usable]
    for one in random.choices(usable, sizes, k=PROBES):
        number = random.randint(one.minimum, one.maximum)
        if await tables.segments.reserve(one.network_type, one.physical_network, number, segment_id):
            return _spec(one, number)
    for one in random.sample(usable, len(usable)):
        found = await _take_gap(tables, one, segment_id)
        if found is not None:
            return _spec(one, found)
    return None


async def _take_gap(tables: Tables, one: SegmentRange, segment_id: str) -> int | None:
    """Reserve a number of one range that is not in use, searching from a random place on."""
    while True:
        start = random.randint(one.minimum, one.maximum)
        number = await tables.segments.free_number(one.network_type, one.physical_network, start, one.maximum)
        if number is None:
            number = await tables.segments.free_number(one.network_type, one.physical_network, one.minimum, start)
        if number is None:
            return None
        if await tables.segments.reserve(one.network_type, one.physical_network, number, segment_id):
            return number


def _spec(one: SegmentRange, number: int) -> SegmentSpec:
    return SegmentSpec(one.network_type, one.physical_network or None, number)
