"""Addresses that hosts make themselves, through the API."""

from typing import Any

import pytest

MAC = "fa:16:3e:00:00:01"
MADE = "::f816:3eff:fe00:1"


@pytest.fixture
async def network_id(api: Any) -> Any:
    """Create a network with an IPv4 subnet."""
    id = (await api.create("network"))["id"]
    await api.create("subnet", network_id=id, ip_version=4, cidr="192.0.2.0/24")
    return id


async def a_subnet(api: Any, network_id: str, cidr: str = "2001:db8::/64", **modes: str) -> Any:
    """Create a subnet on which hosts make their own addresses."""
    modes = modes or {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
    return await api.create("subnet", network_id=network_id, ip_version=6, cidr=cidr, **modes)


def addresses(port: Any) -> list[str]:
    """Return the addresses of a port."""
    return [one["ip_address"] for one in port["fixed_ips"]]


@pytest.mark.parametrize(
    "modes",
    [
        {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"},
        {"ipv6_address_mode": "dhcpv6-stateless", "ipv6_ra_mode": "dhcpv6-stateless"},
        {"ipv6_ra_mode": "slaac"},
    ],
)
async def test_new_subnet_gives_ports_their_addresses(api: Any, network_id: str, modes: dict[str, str]) -> None:
    """Ports that were there first have the address of their MAC too, at their next revision."""
    port = await api.create("port", network_id=network_id, mac_address=MAC)
    dhcp = await api.create("port", network_id=network_id, device_owner="network:dhcp", fixed_ips=[])

    subnet = await a_subnet(api, network_id, **modes)

    shown = (await api.get(f"ports/{port['id']}"))["port"]
    assert shown["fixed_ips"] == [*port["fixed_ips"], {"subnet_id": subnet["id"], "ip_address": f"2001:db8{MADE}"}]
    assert shown["revision_number"] == port["revision_number"] + 1
    assert len((await api.get(f"ports/{dhcp['id']}"))["port"]["fixed_ips"]) == 1
    found = await api.list("ports", f"fixed_ips=ip_address=2001:db8{MADE}")
    assert [one["id"] for one in found] == [port["id"]]


async def test_routers_and_other_networks_are_left_alone(api: Any, network_id: str) -> None:
    """A router's addresses are chosen, and a port elsewhere is none of the subnet's."""
    router = await api.create("port", network_id=network_id, device_owner="network:router_interface")
    elsewhere = await api.create("port", network_id=(await api.create("network"))["id"])

    await a_subnet(api, network_id)

    assert [await api.show("port", port["id"]) for port in (router, elsewhere)] == [router, elsewhere]


async def test_several_subnets_at_once_are_one_update(api: Any, network_id: str) -> None:
    """A bulk request raises the revision of a port once."""
    port = await api.create("port", network_id=network_id, mac_address=MAC)
    mode = {"network_id": network_id, "ip_version": 6, "ipv6_address_mode": "slaac"}
    subnets = [{**mode, "cidr": "2001:db8:1::/64"}, {**mode, "cidr": "2001:db8:2::/64"}]

    await api.http.post("/v2.0/subnets", json={"subnets": subnets})

    shown = (await api.get(f"ports/{port['id']}"))["port"]
    assert addresses(shown)[1:] == ["2001:db8:1:0:f816:3eff:fe00:1", "2001:db8:2:0:f816:3eff:fe00:1"]
    assert shown["revision_number"] == port["revision_number"] + 1


async def test_deleted_subnet_takes_its_addresses_back(api: Any, network_id: str) -> None:
    """Addresses that nobody chose do not hold a subnet, and go with it."""
    subnet = await a_subnet(api, network_id)
    port = await api.create("port", network_id=network_id, mac_address=MAC)

    await api.delete("subnet", subnet["id"])

    shown = (await api.get(f"ports/{port['id']}"))["port"]
    assert shown["fixed_ips"] == port["fixed_ips"][:1]
    assert shown["revision_number"] == port["revision_number"] + 1
    await a_subnet(api, network_id)
    assert addresses((await api.get(f"ports/{port['id']}"))["port"])[1:] == [f"2001:db8{MADE}"]


async def test_router_holds_its_subnet(api: Any, network_id: str) -> None:
    """A subnet that a router has an address of stays, and so do the addresses of all others."""
    subnet = await a_subnet(api, network_id)
    port = await api.create("port", network_id=network_id)
    owner = {"device_owner": "network:router_interface"}
    chosen = [{"subnet_id": subnet["id"], "ip_address": "2001:db8::1"}]
    await api.create("port", network_id=network_id, fixed_ips=chosen, **owner)

    refused = await api.refused("DELETE", f"subnets/{subnet['id']}")

    assert refused[:2] == (409, "SubnetInUse")
    assert await api.show("port", port["id"]) == port


async def test_addresses_follow_the_mac(api: Any, network_id: str) -> None:
    """A new MAC makes new addresses, the chosen ones stay, and the old one is free."""
    subnet = await a_subnet(api, network_id)
    port = await api.create("port", network_id=network_id, mac_address=MAC)

    changed = await api.update("port", port["id"], mac_address="fa:16:3e:00:00:02")

    assert addresses(changed) == [addresses(port)[0], "2001:db8::f816:3eff:fe00:2"]
    assert changed["revision_number"] == port["revision_number"] + 1
    again = await api.create("port", network_id=network_id, mac_address=MAC, fixed_ips=[{"subnet_id": subnet["id"]}])
    assert addresses(again) == [f"2001:db8{MADE}"]


async def test_port_without_addresses_gets_none_from_a_mac(api: Any, network_id: str) -> None:
    """A user who wanted no address is not given one by changing something else."""
    await a_subnet(api, network_id)
    port = await api.create("port", network_id=network_id, fixed_ips=[])

    changed = await api.update("port", port["id"], mac_address=MAC)

    assert changed["fixed_ips"] == []


async def test_messages_about_modes_begin_like_those_of_neutron(api: Any, network_id: str) -> None:
    """Clients look for the words that Neutron puts before."""
    body = {"network_id": network_id, "ip_version": 6, "cidr": "2001:db8::/64", "enable_dhcp": False}
    for wrong in (
        {"ipv6_ra_mode": "slaac"},
        {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful", "enable_dhcp": True},
        {"ipv6_ra_mode": "slaac", "cidr": "2001:db8::/80", "enable_dhcp": True},
        {"ipv6_ra_mode": "slaac", "cidr": "10.0.0.0/24", "ip_version": 4, "enable_dhcp": True},
    ):
        status, kind, message = await api.refused("POST", "subnets", json={"subnet": {**body, **wrong}})
        assert (status, kind) == (400, "InvalidInput")
        assert message.startswith("Invalid input for operation: ")
