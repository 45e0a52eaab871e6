"""Subnets through the API."""

from typing import Any

import pytest


@pytest.fixture
async def network_id(api: Any) -> Any:
    """Create a network."""
    return (await api.create("network"))["id"]


async def test_new_subnet_has_gateway_and_pools(api: Any, network_id: str) -> None:
    """A subnet without further wishes gives its first address to the gateway and the rest to ports."""
    subnet = await api.create("subnet", network_id=network_id, ip_version="4", cidr="192.0.2.0/24", name="s")

    expected = {
        "name": "s",
        "network_id": network_id,
        "ip_version": 4,
        "cidr": "192.0.2.0/24",
        "gateway_ip": "192.0.2.1",
        "allocation_pools": [{"start": "192.0.2.2", "end": "192.0.2.254"}],
        "dns_nameservers": [],
        "host_routes": [],
        "enable_dhcp": True,
        "ipv6_address_mode": None,
        "ipv6_ra_mode": None,
        "segment_id": None,
        "subnetpool_id": None,
        "revision_number": 1,
    }
    assert {name: subnet[name] for name in expected} == expected
    network = (await api.get(f"networks/{network_id}"))["network"]
    assert network["subnets"] == [subnet["id"]]
    assert await api.show("subnet", subnet["id"]) == subnet


async def test_subnet_keeps_what_it_was_given(api: Any, network_id: str) -> None:
    """Pools, routes, name servers and the lack of a gateway are stored in canonical form."""
    subnet = await api.create(
        "subnet",
        network_id=network_id,
        ip_version=6,
        cidr="2001:db8::/64",
        gateway_ip=None,
        allocation_pools=[{"start": "2001:DB8::10", "end": "2001:db8:0::20"}],
        dns_nameservers=["2001:DB8::53"],
        host_routes=[{"destination": "2001:db8:1::/48", "nexthop": "2001:db8::0:2"}],
        ipv6_ra_mode="dhcpv6-stateful",
        ipv6_address_mode="dhcpv6-stateful",
        enable_dhcp="1",
        subnetpool_id=None,
    )

    assert subnet["gateway_ip"] is None
    assert subnet["allocation_pools"] == [{"start": "2001:db8::10", "end": "2001:db8::20"}]
    assert subnet["dns_nameservers"] == ["2001:db8::53"]
    assert subnet["host_routes"] == [{"destination": "2001:db8:1::/48", "nexthop": "2001:db8::2"}]
    assert subnet["ipv6_ra_mode"] == "dhcpv6-stateful"


async def test_subnet_changes(api: Any, network_id: str) -> None:
    """An update exchanges lists as a whole; null empties them."""
    subnet = await api.create(
        "subnet", network_id=network_id, ip_version=4, cidr="192.0.2.0/24", dns_nameservers=["192.0.2.53"]
    )

    changed = await api.update(
        "subnet", subnet["id"], gateway_ip=None, dns_nameservers=None, enable_dhcp=False, name="renamed"
    )

    assert (changed["gateway_ip"], changed["dns_nameservers"], changed["enable_dhcp"]) == (None, [], False)
    assert (changed["name"], changed["revision_number"]) == ("renamed", 2)


async def test_subnets_are_narrowed(api: Any, network_id: str) -> None:
    """Lists of subnets can be filtered by their columns."""
    four = await api.create("subnet", network_id=network_id, ip_version=4, cidr="192.0.2.0/24")
    six = await api.create("subnet", network_id=network_id, ip_version=6, cidr="2001:db8::/64", enable_dhcp=False)

    async def ids(query: str) -> list[str]:
        return [subnet["id"] for subnet in await api.list("subnets", query)]

    assert await ids("ip_version=4") == [four["id"]]
    assert await ids("enable_dhcp=False") == [six["id"]]
    assert await ids("cidr=2001:db8::/64") == [six["id"]]
    assert await ids("gateway_ip=192.0.2.1") == [four["id"]]
    assert sorted(await ids(f"network_id={network_id}")) == sorted([four["id"], six["id"]])
    assert await ids("ip_version=4&enable_dhcp=0") == []


async def test_deleted_subnet_is_gone(api: Any, network_id: str) -> None:
    """A subnet without ports can be deleted, one with a port cannot."""
    subnet = await api.create("subnet", network_id=network_id, ip_version=4, cidr="192.0.2.0/24")
    port = await api.create("port", network_id=network_id)
    assert (await api.refused("DELETE", f"subnets/{subnet['id']}"))[:2] == (409, "SubnetInUse")
    await api.delete("port", port["id"])

    await api.delete("subnet", subnet["id"])

    assert (await api.refused("GET", f"subnets/{subnet['id']}"))[:2] == (404, "SubnetNotFound")


@pytest.mark.parametrize("tied_first", [True, False])
async def test_subnets_are_all_tied_to_segments_or_none_is(api: Any, network_id: str, tied_first: bool) -> None:
    """A second subnet that is tied otherwise than the first is refused, and nothing is written."""
    (segment,) = await api.list("segments", f"network_id={network_id}")
    tied, loose = {"segment_id": segment["id"]}, {"segment_id": None}
    first, second = (tied, loose) if tied_first else (loose, tied)
    subnet = await api.create("subnet", network_id=network_id, ip_version=4, cidr="192.0.2.0/24", **first)
    another = {"network_id": network_id, "ip_version": 4, "cidr": "198.51.100.0/24"}

    refused = await api.refused("POST", "subnets", json={"subnet": {**another, **second}})

    assert refused[:2] == (400, "SubnetsNotAllAssociatedWithSegments")
    assert "segment_id" in refused[2]
    assert await api.list("subnets") == [subnet]
    await api.create("subnet", **another, **first)


async def test_dhcp_is_not_switched_on_where_nobody_could_serve(api: Any, network_id: str) -> None:
    """A link between two routers has no room for a server; without DHCP it is a subnet like any other."""
    subnet = await api.create("subnet", network_id=network_id, ip_version=4, cidr="10.0.0.0/31", enable_dhcp=False)
    await api.update("subnet", subnet["id"], name="link")

    refused = await api.refused("PUT", f"subnets/{subnet['id']}", json={"subnet": {"enable_dhcp": True}})

    assert refused[:2] == (400, "InvalidInput")
    assert "incompatible with DHCP service enabled: 10.0.0.0/31" in refused[2]


async def test_dhcp_stays_while_hosts_are_told_to_use_it(api: Any, network_id: str) -> None:
    """A subnet with IPv6 modes keeps DHCP on."""
    subnet = await api.create(
        "subnet",
        network_id=network_id,
        ip_version=6,
        cidr="2001:db8::/64",
        ipv6_ra_mode="slaac",
        ipv6_address_mode="slaac",
    )

    refused = await api.refused("PUT", f"subnets/{subnet['id']}", json={"subnet": {"enable_dhcp": False}})

    assert refused[:2] == (400, "InvalidInput")
    assert await api.show("subnet", subnet["id"]) == subnet
