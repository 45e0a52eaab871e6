"""Lists: what is shown, in which order, and in which pages."""

from typing import Any

import httpx
import pytest
from jackfield_core import config
from jackfield_core.app import Application


@pytest.fixture
async def networks(api: Any) -> list[dict[str, Any]]:
    """Create five networks, of which some have the same description."""
    return [await api.create("network", name=f"n{number}", description="ab"[number % 2]) for number in range(5)]


async def follow(api: Any, path: str, rel: str) -> list[list[str]]:
    """Return the names on every page that is reached from *path* by links called *rel*."""
    pages = []
    while path:
        answer = await api.http.get(path)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        pages.append([network["name"] for network in body["networks"]])
        path = next((link["href"] for link in body.get("networks_links", []) if link["rel"] == rel), "")
    return pages


@pytest.mark.usefixtures("networks")
async def test_pages_follow_the_sort_order(api: Any) -> None:
    """Following the next links shows every resource once, in order."""
    pages = await follow(api, "/v2.0/networks?limit=2&sort_key=name&sort_dir=desc", "next")

    assert pages == [["n4", "n3"], ["n2", "n1"], ["n0"]]


@pytest.mark.usefixtures("networks")
async def test_pages_go_back(api: Any) -> None:
    """Following the previous links shows the same resources from the other end."""
    query = {"limit": 2, "sort_key": "name", "sort_dir": "asc"}
    marker = (await api.list("networks", "name=n4"))[0]["id"]
    answer = await api.http.get("/v2.0/networks", params={**query, "marker": marker, "page_reverse": "True"})

    assert [network["name"] for network in answer.json()["networks"]] == ["n2", "n3"]
    href = next(link["href"] for link in answer.json()["networks_links"] if link["rel"] == "previous")
    assert await follow(api, href, "previous") == [["n0", "n1"], []]


async def test_links_are_those_of_neutron(api: Any, networks: list[dict[str, Any]]) -> None:
    """Links repeat the request, with the marker exchanged."""
    first = (await api.list("networks", "sort_key=id&sort_dir=asc&limit=1"))[0]["id"]
    body = await api.get("networks", sort_key="id", sort_dir="asc", limit="2", fields="id", marker=first)

    ids = sorted(network["id"] for network in networks)
    assert body["networks"] == [{"id": ids[1]}, {"id": ids[2]}]
    kept = "sort_key=id&sort_dir=asc&limit=2&fields=id"
    assert body["networks_links"] == [
        {"rel": "next", "href": f"http://core/v2.0/networks?{kept}&marker={ids[2]}"},
        {"rel": "previous", "href": f"http://core/v2.0/networks?{kept}&marker={ids[1]}&page_reverse=True"},
    ]


@pytest.mark.usefixtures("networks")
async def test_last_page_has_no_next_link(api: Any) -> None:
    """A page that is not full is the last one."""
    body = await api.get("networks", limit=9)

    assert [link["rel"] for link in body["networks_links"]] == ["previous"]


@pytest.mark.usefixtures("networks")
async def test_list_without_limit_has_no_links(api: Any) -> None:
    """A limit of zero, or none, means everything; a marker alone means nothing."""
    for query in ({}, {"limit": 0}, {"marker": "x"}):
        body = await api.get("networks", **query)
        assert set(body) == {"networks"}
        assert len(body["networks"]) == 5


@pytest.mark.usefixtures("networks")
async def test_lists_are_sorted_by_several_keys(api: Any) -> None:
    """The first key decides, the second where the first is equal."""
    query = "sort_key=description&sort_dir=desc&sort_key=name&sort_dir=asc"

    assert [network["name"] for network in await api.list("networks", query)] == ["n1", "n3", "n0", "n2", "n4"]


@pytest.mark.usefixtures("networks")
async def test_fields_narrow_what_is_shown(api: Any) -> None:
    """Only the wanted attributes are shown; those that a resource does not have are left out."""
    shown = await api.list("networks", "name=n1&fields=name&fields=provider:network_type&fields=segments&fields=what")

    assert shown == [{"name": "n1", "provider:network_type": "vxlan"}]


async def test_fields_narrow_a_single_resource_too(api: Any, networks: list[dict[str, Any]]) -> None:
    """Showing one resource takes fields like a list."""
    assert await api.get(f"networks/{networks[0]['id']}", fields=["name", "mtu"]) == {
        "network": {"name": "n0", "mtu": 1450}
    }


@pytest.mark.usefixtures("networks")
async def test_operator_bounds_pages(application: Application) -> None:
    """With a page limit a client gets pages whether it asks for them or not."""
    from jackfield_core.api.server import create_api

    settings = application.settings.model_copy(update={"api": config.Api(page_limit=2)})
    bounded = httpx.ASGITransport(create_api(application.services, settings))
    async with httpx.AsyncClient(transport=bounded, base_url="http://core") as http:
        for query in ("", "?limit=4", "?name=n1&name=n2&name=n3"):
            body = (await http.get(f"/v2.0/networks{query}")).json()
            assert len(body["networks"]) == 2
            assert body["networks_links"][0]["rel"] == "next"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("limit=-1", "Limit must be an integer 0 or greater and not '-1'"),
        ("limit=many", "Limit must be an integer 0 or greater and not 'many'"),
        ("colour=blue&taste=sweet", "['colour', 'taste'] is invalid attribute for filtering"),
        ("sort_key=colour&sort_dir=asc", "['colour'] is invalid attribute for sort_keys"),
        ("sort_key=name", "The number of sort_keys and sort_dirs must be same"),
        ("sort_key=name&sort_dir=up", "['up'] is invalid value for sort_dirs"),
        ("admin_state_up=maybe", "admin_state_up"),
        ("router:external=maybe", "router:external"),
        ("mtu=large", "mtu"),
        ("mtu=99999999999", "mtu"),
        ("revision_number=new", "revision_number"),
        ("provider:segmentation_id=x", "provider:segmentation_id"),
        ("changed_since=yesterday", "changed_since"),
        ("created_at=9999-12-31T23:59:59", "created_at"),
    ],
)
async def test_list_that_cannot_be_is_refused(api: Any, query: str, message: str) -> None:
    """What is not understood is refused by name, never ignored."""
    status, _, text = await api.refused("GET", f"networks?{query}")

    assert status == 400
    assert message in text


@pytest.mark.parametrize(
    ("collection", "kind"), [("networks", "NetworkNotFound"), ("subnets", "SubnetNotFound"), ("ports", "PortNotFound")]
)
async def test_marker_that_is_gone_is_not_found(api: Any, collection: str, kind: str) -> None:
    """A client whose last resource was deleted is told which one, as by Neutron."""
    status, name, text = await api.refused("GET", f"{collection}?limit=1&marker=gone")

    assert (status, name) == (404, kind)
    assert "gone" in text


async def test_every_sort_key_and_filter_works(api: Any) -> None:
    """All that a listing takes can be used, on every collection."""
    from jackfield_core.db.agent import AgentTable
    from jackfield_core.db.network import NetworkTable
    from jackfield_core.db.port import PortTable
    from jackfield_core.db.segment import SegmentTable
    from jackfield_core.db.subnet import SubnetTable

    tables: dict[str, Any] = {
        "networks": NetworkTable,
        "subnets": SubnetTable,
        "ports": PortTable,
        "agents": AgentTable,
    }
    tables["segments"] = SegmentTable
    for collection, table in tables.items():
        for name in table.filters:
            if collection == "segments" and name in ("is_dynamic", "position"):
                continue
            assert await api.list(collection, f"sort_key={name}&sort_dir=desc") is not None
            value = "2026-11-21T11:00:00Z" if name.endswith("_at") else "1"
            await api.list(collection, f"{name}={value}&limit=3&sort_key={name}&sort_dir=asc")


@pytest.mark.parametrize(
    ("collection", "values", "status"),
    [
        ("ports", "id=x{n}", 200),
        ("networks", "provider:segmentation_id={n}", 200),
        ("networks", "sort_key=name&sort_dir=asc", 200),
        ("networks", "created_at=2026-11-21T{n:06}Z", 400),
        ("ports", "fixed_ips=ip_address_substr={n}", 400),
    ],
)
async def test_thousands_of_values_are_no_fault(api: Any, collection: str, values: str, status: int) -> None:
    """Filters are answered or refused, however many values they have."""
    query = "&".join(values.format(n=number) for number in range(1500))

    answer = await api.http.get(f"/v2.0/{collection}?{query}")

    assert answer.status_code == status


async def test_longest_query_is_bounded(application: Application) -> None:
    """A query that no database statement could hold is refused by its length."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v2.0/ports",
        "query_string": b"id=x&" * 20000,
        "headers": [],
        "root_path": "",
    }
    await application.api(scope, None, send)  # type: ignore[arg-type]

    assert sent[0]["status"] == 414
    assert b"HTTPRequestURITooLong" in sent[1]["body"]
