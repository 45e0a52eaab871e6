"""One page of a list: filters, order and markers."""

import itertools
from dataclasses import replace as with_values
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jackfield_core.db.address import Address, with_address
from jackfield_core.db.query import ListQuery
from jackfield_core.db.segment import networks_with
from jackfield_core.db.tree import load_trees
from jackfield_core.errors import Invalid, NotFound
from jackfield_core.types import FixedIp
from msgspec.structs import replace


@pytest.fixture
async def subnets(unit_of_work, rows):
    """Store subnets whose sort keys repeat and are partly null."""
    async with unit_of_work() as tx:
        tree = await rows.tree(tx)
        stored = [
            rows.subnet(tree.network, f"10.0.{number}.0/24", name=name, gateway_ip=gateway_ip)
            for number, (name, gateway_ip) in enumerate(
                itertools.product(("a", "b"), (None, "10.0.0.1", None, "10.0.0.2", "10.0.0.1"))
            )
        ]
        await tx.subnets.add(*stored)
    return stored


async def listed(unit_of_work, query, table="subnets"):
    async with unit_of_work.reading() as tables:
        return await getattr(tables, table).list(query)


async def test_a_filter_given_twice_matches_either_value(unit_of_work, subnets):
    """Values of one filter are alternatives, and different filters all have to match."""
    cidrs = ["10.0.0.0/24", "10.0.7.0/24", "10.0.9.0/24"]

    found = await listed(unit_of_work, ListQuery({"cidr": cidrs, "name": ["b"]}))

    assert sorted(subnet.cidr for subnet in found) == ["10.0.7.0/24", "10.0.9.0/24"]


@pytest.mark.parametrize(("text", "count"), [("true", 10), ("False", 0), ("1", 10), ("no", 0)])
async def test_booleans_are_read_like_neutron_reads_them(unit_of_work, subnets, text, count):
    """Clients write booleans in several ways."""
    assert len(await listed(unit_of_work, ListQuery({"enable_dhcp": [text]}))) == count


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ip_version", "four"),
        ("ip_version", "9" * 30),
        ("ip_version", str(1 << 31)),
        ("revision_number", "1.5"),
        ("enable_dhcp", "perhaps"),
        ("created_at", "yesterday"),
        ("created_at", "0001-01-01T00:00:00+09:00"),
    ],
)
async def test_a_value_that_does_not_fit_names_the_filter(unit_of_work, subnets, name, text):
    """A filter value of the wrong type is the client's mistake, not a database error."""
    with pytest.raises(Invalid, match=name):
        await listed(unit_of_work, ListQuery({name: [text]}))


async def test_text_that_postgresql_cannot_hold_matches_nothing(unit_of_work, subnets):
    """A NUL or a lone surrogate in a filter is answered with an empty list on every database."""
    assert await listed(unit_of_work, ListQuery({"name": ["a\0", "\ud800"]})) == []


async def test_a_time_is_compared_in_utc(unit_of_work, subnets):
    """A filter may carry any offset; the tables hold UTC."""
    at = subnets[0].created_at.replace(tzinfo=UTC)
    far_east = at.astimezone(tz=datetime.fromisoformat("2000-01-01T00:00:00+09:00").tzinfo)

    found = await listed(unit_of_work, ListQuery({"created_at": [far_east.isoformat()]}))

    assert subnets[0].id in [subnet.id for subnet in found]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("limit", [1, 3, 4, 10, 50])
async def test_pages_show_every_row_once_in_one_order(unit_of_work, subnets, descending, limit):
    """Following the markers gives the same as one long list, although keys repeat and are null."""
    sorts = (("gateway_ip", descending), ("name", not descending))
    whole = [subnet.id for subnet in await listed(unit_of_work, ListQuery(sorts=sorts))]

    seen, marker = [], None
    while page := await listed(unit_of_work, ListQuery(sorts=sorts, limit=limit, marker=marker)):
        assert len(page) <= limit
        seen += [subnet.id for subnet in page]
        marker = page[-1].id

    assert seen == whole
    assert sorted(seen) == sorted(subnet.id for subnet in subnets)


@pytest.mark.parametrize("descending", [False, True])
async def test_nulls_sort_below_everything_on_every_database(unit_of_work, subnets, descending):
    """A missing value comes first in ascending and last in descending order."""
    found = await listed(unit_of_work, ListQuery(sorts=(("gateway_ip", descending),)))

    values = [subnet.gateway_ip or "" for subnet in found]
    assert values == sorted(values, reverse=descending)


async def test_a_reversed_page_ends_before_its_marker(unit_of_work, subnets):
    """Going back shows the rows right before the marker, in the order of the list."""
    sorts = (("gateway_ip", False),)
    whole = [subnet.id for subnet in await listed(unit_of_work, ListQuery(sorts=sorts))]

    page = await listed(unit_of_work, ListQuery(sorts=sorts, limit=3, marker=whole[7], page_reverse=True))

    assert [subnet.id for subnet in page] == whole[4:7]


async def test_without_a_marker_a_reversed_page_is_the_last_one(unit_of_work, subnets):
    """Going back from nowhere starts at the end."""
    whole = [subnet.id for subnet in await listed(unit_of_work, ListQuery())]

    page = await listed(unit_of_work, ListQuery(limit=3, page_reverse=True))

    assert [subnet.id for subnet in page] == whole[-3:]


async def test_an_unknown_sort_key_is_refused(unit_of_work, subnets):
    """What names nothing is the client's mistake."""
    with pytest.raises(Invalid):
        await listed(unit_of_work, ListQuery(sorts=(("colour", False),)))


@pytest.mark.parametrize("marker", ["nobody", "\0"])
async def test_a_marker_that_is_gone_is_not_found(unit_of_work, subnets, marker):
    """A page behind a resource that is no more has no place to begin."""
    with pytest.raises(NotFound) as refused:
        await listed(unit_of_work, ListQuery(marker=marker))

    assert refused.value.type == "SubnetNotFound"


async def test_a_marker_that_a_filter_hides_is_a_place_still(unit_of_work, subnets):
    """A resource that was changed between two pages does not stop the client."""
    whole = await listed(unit_of_work, ListQuery())
    marker, behind = whole[3], whole[4:]

    page = await listed(unit_of_work, ListQuery(marker=marker.id, limit=50, filters={"id": [one.id for one in behind]}))

    assert page == behind


async def test_an_id_that_no_database_can_hold_is_not_found(unit_of_work):
    """An id with a NUL or a surrogate is like any other id that names nothing."""
    async with unit_of_work.reading() as tables:
        for id in ("\0", "\ud800"):
            assert await tables.ports.find(id) is None
            assert await tables.networks.lock(id) is None
            assert await tables.segments.find(id) is None
            assert await tables.agents.find(id) is None
            assert await load_trees(tables.connection, [id]) == {}


async def test_deleted_rows_are_not_listed(unit_of_work, subnets):
    """A resource that only drivers still know is gone for users."""
    async with unit_of_work() as tx:
        await tx.subnets.mark_deleted(subnets[0].id)

    assert subnets[0].id not in [subnet.id for subnet in await listed(unit_of_work, ListQuery())]


async def test_networks_are_found_by_their_segments(unit_of_work, rows):
    """Provider attributes are those of segments, and filter networks."""
    async with unit_of_work() as tx:
        network = rows.network()
        await tx.networks.add(network, rows.network())
        await tx.segments.add(rows.segment(network, segmentation_id=77), rows.segment(network, network_type="vlan"))

    found = await listed(unit_of_work, ListQuery(conditions=[networks_with("segmentation_id", [77, 78])]), "networks")

    assert [one.id for one in found] == [network.id]


async def test_ports_are_found_by_their_addresses(database, unit_of_work, rows, put_address):
    """``fixed_ips`` filters of one name are alternatives, and different names must all match."""
    async with unit_of_work() as tx:
        tree = await rows.tree(tx, "192.0.2.0/24")
        subnet_id = tree.subnets[0].id
        ports = [rows.port(tree.network) for _ in range(3)]
        await tx.ports.add(*ports)
        for number, port in enumerate(ports, 5):
            await put_address(tx, port, FixedIp(subnet_id, f"192.0.2.{number}"))

    async def found(*filters):
        page = await listed(unit_of_work, ListQuery(conditions=[with_address(filters, database.dialect)]), "ports")
        return {port.id for port in page}

    first, second, third = (port.id for port in ports)
    assert await found(("ip_address", "192.0.2.5"), ("ip_address", "192.0.2.7")) == {first, third}
    assert await found(("subnet_id", subnet_id), ("ip_address", "192.0.2.6")) == {second}
    assert await found(("subnet_id", "another"), ("ip_address", "192.0.2.6")) == set()
    assert await found(("ip_address_substr", "192.0.2")) == {first, second, third}
    assert await found(("ip_address_substr", "192_0")) == set()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=st.lists(st.tuples(st.sampled_from(["name", "gateway_ip", "ip_version"]), st.booleans()), max_size=3),
    limit=st.integers(1, 11),
    backwards=st.booleans(),
)
def test_any_walk_through_pages_is_the_list(walk, keys, limit, backwards):
    """For any order, page size and direction the pages put together are the whole list."""
    whole, pages = walk(tuple(dict(keys).items()), limit, backwards)

    assert pages == whole


@pytest.fixture
def walk(story, rows):
    """Walk through the pages of a list."""

    async def fill(work):
        async with work() as tx:
            tree = await rows.tree(tx)
            subnets = [rows.subnet(tree.network, f"10.0.{number}.0/24", name="ab"[number % 2]) for number in range(10)]
            await tx.subnets.add(*(replace(one, gateway_ip=None) for one in subnets[:4]), *subnets[4:])

    async def pages(work, sorts, limit, backwards):
        whole = [one.id for one in await listed(work, ListQuery(sorts=sorts))]
        seen, marker = [], None
        query = ListQuery(sorts=sorts, limit=limit, page_reverse=backwards)
        while page := await listed(work, with_values(query, marker=marker)):
            ids = [one.id for one in page]
            seen = ids + seen if backwards else seen + ids
            marker = page[0 if backwards else -1].id
        return whole, seen

    story(fill)
    return lambda *arguments: story(pages, *arguments)


@pytest.fixture
def put_address():
    """Give an address to a port, as its row and in the ledger of addresses."""

    async def put(tx, port, fixed_ip):
        await tx.addresses.reserve([(Address(fixed_ip.subnet_id, fixed_ip.ip_address, None), port.id)])
        await tx.ports.update(replace(port, fixed_ips=(fixed_ip,)))

    return put
