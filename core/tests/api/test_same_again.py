"""Updates that change nothing."""

from typing import Any

import pytest


@pytest.fixture
async def resources(api: Any) -> dict[str, Any]:
    """Create one resource of each kind, by kind."""
    network = await api.create("network", name="n", description="d")
    ends = {"network_id": network["id"]}
    routes = [{"destination": "203.0.113.0/24", "nexthop": "192.0.2.9"}]
    subnet = await api.create("subnet", ip_version=4, cidr="192.0.2.0/24", host_routes=routes, name="s", **ends)
    await api.create("subnet", ip_version=6, cidr="2001:db8::/64", ipv6_address_mode="slaac", **ends)
    pairs = [{"ip_address": "198.51.100.0/24"}]
    port = await api.create("port", name="p", allowed_address_pairs=pairs, **ends)
    options = [{"opt_name": "mtu", "opt_value": "1400"}]
    port = await api.update("port", port["id"], extra_dhcp_opts=options)
    (segment,) = await api.list("segments")
    network = await api.show("network", network["id"])
    return {"network": network, "segment": segment, "subnet": subnet, "port": port}


READ_ONLY = {
    *("id", "status", "created_at", "updated_at", "revision_number", "project_id", "tenant_id", "network_id", "cidr"),
    *("ip_version", "ipv6_address_mode", "ipv6_ra_mode", "segment_id", "subnetpool_id", "subnets", "segments"),
    *("availability_zones", "availability_zone_hints", "binding:vif_type", "binding:vif_details", "binding:failures"),
    *("jackfield:dynamic", "jackfield:wiring"),
    *(
        "network_type",
        "physical_network",
        "segmentation_id",
        "ipv4_address_scope",
        "ipv6_address_scope",
        "l2_adjacency",
        "dns_domain",
        "tags",
    ),
}


@pytest.mark.parametrize("kind", ["network", "segment", "subnet", "port"])
async def test_same_values_change_nothing(api: Any, resources: dict[str, Any], kind: str) -> None:
    """Neither nothing nor what is there already raises the revision or moves the time."""
    before = resources[kind]
    same = {name: value for name, value in before.items() if name not in READ_ONLY and not name.startswith("provider:")}

    for values in ({}, {"name": before["name"]}, same):
        assert await api.update(kind, before["id"], **values) == before
    assert await api.show(kind, before["id"]) == before


async def test_order_of_addresses_is_no_change(api: Any, resources: dict[str, Any]) -> None:
    """The addresses of a port are a set to users."""
    port = resources["port"]

    assert await api.update("port", port["id"], fixed_ips=port["fixed_ips"][::-1]) == port


@pytest.mark.parametrize("kind", ["network", "segment", "subnet", "port"])
async def test_revision_is_minded_all_the_same(api: Any, resources: dict[str, Any], kind: str) -> None:
    """A client that expects another revision is told so, even if it wants nothing."""
    before = resources[kind]
    header = {"If-Match": f"revision_number={before['revision_number'] + 1}"}

    refused = await api.refused("PUT", f"{kind}s/{before['id']}", json={kind: {}}, headers=header)

    assert refused[:2] == (412, "RevisionNumberConstraintFailed")


async def test_failed_binding_is_not_counted_twice(api: Any, resources: dict[str, Any]) -> None:
    """Asking again for a binding that fails for the same reasons changes nothing."""
    port = await api.update("port", resources["port"]["id"], **{"binding:host_id": "host-1"})
    assert port["binding:vif_type"] == "binding_failed"

    assert await api.update("port", port["id"], **{"binding:host_id": "host-1"}) == port
