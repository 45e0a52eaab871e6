"""Filters that are given again and again: as often as a query has room for, on every list there is."""

from typing import Any

import pytest
from jackfield_core.api.server import LONGEST_QUERY
from jackfield_core.db.agent import AgentTable
from jackfield_core.db.network import NetworkTable
from jackfield_core.db.port import PortTable
from jackfield_core.db.segment import SegmentTable
from jackfield_core.db.subnet import SubnetTable

ROOM = LONGEST_QUERY - 100
"""Bytes of a query: httpx sends no longer address than 64 KiB, all of it."""
FILTERS = {
    "networks": [*NetworkTable.filters, "provider:physical_network", "provider:segmentation_id"],
    "subnets": [*SubnetTable.filters],
    "ports": [*PortTable.filters, "fixed_ips"],
    "segments": [*SegmentTable.filters],
    "agents": [*AgentTable.filters],
    "deliveries": ["driver", "kind", "resource_id", "network_id"],
}


def full(name: str) -> str:
    """Return a query as long as can be, of different values of one filter."""
    count = ROOM // len(f"&{name}=00000")
    return "&".join(f"{name}={number}" for number in range(10_000, 10_000 + count))


@pytest.mark.parametrize("collection", FILTERS)
async def test_filter_is_repeated_as_often_as_a_query_has_room(api: Any, collection: str) -> None:
    """Nothing has that many, and it is found out; a filter that takes so many not says so."""
    for name in FILTERS[collection]:
        answer = await api.http.get(f"/v2.0/{collection}?{full(name)}")

        if answer.status_code == 200:
            assert answer.json()[collection] == [], name
        else:
            assert answer.status_code == 400, name
            assert name in answer.json()["NeutronError"]["message"]


async def test_deliveries_are_found_among_thousands_of_ids(api: Any) -> None:
    """What operators ask for is not bounded below what a query has room for."""
    for name in ("resource_id", "network_id", "driver"):
        query = full(name)
        assert query.count("&") > 3000
        assert await api.list("deliveries", query) == []
