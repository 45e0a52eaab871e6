"""Requests that cannot be: Neutron's status, a message that names the field, and nothing written."""

from collections.abc import Mapping
from typing import Any

import pytest

COLLECTIONS = ("networks", "subnets", "ports", "segments")
GONE = "8d1bd8b3-0d0c-4e9d-bd8c-dc8b4dbcc5a3"
VLAN = {"provider:network_type": "vlan", "provider:physical_network": "physnet1"}

Case = tuple[str, Any, int, str, str]
"""Kind of resource, attributes, status, error type, and a part of the message."""

# In attributes, "{network}" and "{subnet}" stand for the ids of what exists.
CREATIONS: list[Case] = [
    ("network", {"colour": "blue"}, 400, "HTTPBadRequest", "Unrecognized attribute(s) 'colour'"),
    ("network", {"a": 1, "b": 2}, 400, "HTTPBadRequest", "Unrecognized attribute(s) 'a, b'"),
    ("network", {"id": GONE}, 400, "HTTPBadRequest", "Attribute 'id' not allowed in POST"),
    ("network", {"status": "DOWN"}, 400, "HTTPBadRequest", "Attribute 'status' not allowed in POST"),
    ("network", {"name": 7}, 400, "HTTPBadRequest", "Invalid input for name. Reason: '7' is not a valid string"),
    ("network", {"name": None}, 400, "HTTPBadRequest", "Invalid input for name. Reason: 'None' is not a valid string"),
    ("network", {"name": "x" * 256}, 400, "HTTPBadRequest", "exceeds maximum length of 255"),
    ("network", {"name": "a\0b"}, 400, "HTTPBadRequest", "Invalid input for name"),
    ("network", {"mtu": "x"}, 400, "HTTPBadRequest", "Invalid input for mtu. Reason: 'x' is not an integer"),
    ("network", {"mtu": True}, 400, "HTTPBadRequest", "Invalid input for mtu. Reason: 'True' is not an integer"),
    ("network", {"mtu": 1.5}, 400, "HTTPBadRequest", "Invalid input for mtu. Reason: '1.5' is not an integer"),
    ("network", {"mtu": -1}, 400, "HTTPBadRequest", "mtu"),
    ("network", {"mtu": 67}, 400, "InvalidInput", "mtu"),
    ("network", {"mtu": 9000}, 400, "InvalidInput", "mtu"),
    ("network", {"mtu": 10**30}, 400, "HTTPBadRequest", "mtu"),
    ("network", {"shared": "maybe"}, 400, "HTTPBadRequest", "Invalid input for shared. Reason: 'maybe' cannot"),
    ("network", {"shared": 2}, 400, "HTTPBadRequest", "Invalid input for shared"),
    ("network", {"shared": None}, 400, "HTTPBadRequest", "Invalid input for shared"),
    ("network", {"shared": []}, 400, "HTTPBadRequest", "Invalid input for shared"),
    ("network", {"project_id": "a", "tenant_id": "b"}, 400, "HTTPBadRequest", "'project_id' and 'tenant_id'"),
    ("network", {**VLAN, "provider:segmentation_id": 5000}, 400, "InvalidInput", "segmentation_id"),
    ("network", {**VLAN, "provider:segmentation_id": "x"}, 400, "HTTPBadRequest", "provider:segmentation_id"),
    ("network", {**VLAN, "provider:segmentation_id": 10**25}, 400, "HTTPBadRequest", "provider:segmentation_id"),
    ("network", {**VLAN, "provider:physical_network": "nowhere"}, 400, "InvalidInput", "physical_network"),
    ("network", {**VLAN, "provider:physical_network": "x" * 65}, 400, "HTTPBadRequest", "provider:physical_network"),
    ("network", {"provider:network_type": "token-ring"}, 400, "InvalidInput", "network_type"),
    ("network", {"provider:segmentation_id": 7}, 400, "InvalidInput", "network_type"),
    ("network", {**VLAN, "segments": [VLAN]}, 400, "SegmentsSetInConjunctionWithProviders", "Segments and provider"),
    (
        "network",
        {"segments": "vlan"},
        400,
        "HTTPBadRequest",
        "Invalid input for segments. Reason: 'vlan' is not a list",
    ),
    ("network", {"segments": [{"vlan": 7}]}, 400, "HTTPBadRequest", "Invalid input for segments. Reason: 'vlan'"),
    ("subnet", {}, 400, "HTTPBadRequest", "Required attribute 'network_id' not specified"),
    ("subnet", {"network_id": "{network}"}, 400, "HTTPBadRequest", "Required attribute 'ip_version' not specified"),
    (
        "subnet",
        {"network_id": "blue", "ip_version": 4, "cidr": "10.0.0.0/24"},
        400,
        "HTTPBadRequest",
        "not a valid UUID",
    ),
    ("subnet", {"network_id": GONE, "ip_version": 4, "cidr": "10.0.0.0/24"}, 404, "NetworkNotFound", GONE),
    ("subnet", {"ip_version": 5, "cidr": "10.0.0.0/24"}, 400, "HTTPBadRequest", "ip_version. Reason: '5' is not in"),
    ("subnet", {"ip_version": 4, "cidr": "10.0.0.0/33"}, 400, "InvalidInput", "cidr"),
    ("subnet", {"ip_version": 4, "cidr": "10.0.0.5/24"}, 400, "InvalidInput", "'10.0.0.0/24' is recommended"),
    ("subnet", {"ip_version": 4, "cidr": "2001:db8::/64"}, 400, "InvalidInput", "cidr"),
    ("subnet", {"ip_version": 4, "cidr": None}, 400, "HTTPBadRequest", "Invalid input for cidr"),
    ("subnet", {"ip_version": 4, "cidr": "192.0.2.0/25"}, 400, "InvalidInput", "overlaps with another subnet"),
    ("subnet", {"gateway_ip": "10.0.0.300"}, 400, "HTTPBadRequest", "gateway_ip"),
    ("subnet", {"gateway_ip": "10.0.0.0"}, 400, "InvalidInput", "gateway_ip"),
    ("subnet", {"gateway_ip": "2001:db8::1"}, 400, "InvalidInput", "gateway_ip"),
    (
        "subnet",
        {"allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.9"}, {"start": "10.0.0.9", "end": "10.0.0.20"}]},
        409,
        "OverlappingAllocationPools",
        "10.0.0.2-10.0.0.9",
    ),
    ("subnet", {"allocation_pools": [{"start": "10.0.0.9", "end": "10.0.0.2"}]}, 400, "InvalidAllocationPool", "pool"),
    (
        "subnet",
        {"allocation_pools": [{"start": "10.0.1.2", "end": "10.0.1.9"}]},
        400,
        "OutOfBoundsAllocationPool",
        "pool",
    ),
    (
        "subnet",
        {"allocation_pools": [{"start": "10.0.0.1", "end": "10.0.0.9"}]},
        409,
        "GatewayConflictWithAllocationPools",
        "10.0.0.1",
    ),
    (
        "subnet",
        {"allocation_pools": [{"start": "10.0.0.2"}]},
        400,
        "HTTPBadRequest",
        "allocation_pools. Reason: 'end' is missing",
    ),
    ("subnet", {"allocation_pools": [{"start": 2, "end": 9}]}, 400, "HTTPBadRequest", "allocation_pools"),
    ("subnet", {"allocation_pools": {}}, 400, "HTTPBadRequest", "allocation_pools. Reason: '{{}}' is not a list"),
    ("subnet", {"dns_nameservers": ["dns.example"]}, 400, "HTTPBadRequest", "dns_nameservers"),
    ("subnet", {"dns_nameservers": ["1.1.1.1", "1.1.1.1"]}, 400, "HTTPBadRequest", "dns_nameservers"),
    ("subnet", {"host_routes": [{"destination": "10.9.0.0/16"}]}, 400, "HTTPBadRequest", "host_routes"),
    (
        "subnet",
        {"host_routes": [{"destination": "10.9.0.0/99", "nexthop": "10.0.0.2"}]},
        400,
        "HTTPBadRequest",
        "host_routes",
    ),
    (
        "subnet",
        {"dns_nameservers": [f"10.0.0.{n}" for n in range(6)]},
        400,
        "DNSNameServersExhausted",
        "dns_nameservers. Reason: 6 exceed the limit of 5",
    ),
    (
        "subnet",
        {"host_routes": [{"destination": f"10.9.{n}.0/24", "nexthop": "10.0.0.2"} for n in range(21)]},
        400,
        "HostRoutesExhausted",
        "host_routes. Reason: 21 exceed the limit of 20",
    ),
    (
        "subnet",
        {"allocation_pools": [{"start": f"10.0.0.{n}", "end": f"10.0.0.{n}"} for n in range(2, 103)]},
        400,
        "InvalidInput",
        "allocation_pools. Reason: 101 exceed the limit of 100",
    ),
    (
        "port",
        {"fixed_ips": [{"ip_address": f"192.0.2.{n}"} for n in range(2, 103)]},
        400,
        "InvalidInput",
        "fixed_ips. Reason: 101 exceed the limit of 100",
    ),
    (
        "port",
        {"extra_dhcp_opts": [{"opt_name": f"option-{n}", "opt_value": "v"} for n in range(101)]},
        400,
        "InvalidInput",
        "extra_dhcp_opts. Reason: 101 exceed the limit of 100",
    ),
    ("subnet", {"ipv6_ra_mode": "carrier-pigeon"}, 400, "HTTPBadRequest", "ipv6_ra_mode"),
    ("subnet", {"ipv6_ra_mode": "slaac"}, 400, "InvalidInput", "ipv6_ra_mode"),
    ("subnet", {"segment_id": GONE}, 400, "InvalidInput", "segment_id"),
    ("subnet", {"subnetpool_id": GONE}, 400, "HTTPBadRequest", "subnetpool_id"),
    ("port", {}, 400, "HTTPBadRequest", "Required attribute 'network_id' not specified"),
    ("port", {"network_id": GONE}, 404, "NetworkNotFound", GONE),
    ("port", {"network_id": None}, 400, "HTTPBadRequest", "Invalid input for network_id"),
    ("port", {"mac_address": "zz"}, 400, "HTTPBadRequest", "mac_address. Reason: 'zz' is not a valid MAC address"),
    ("port", {"mac_address": "ff:ff:ff:ff:ff:ff"}, 400, "HTTPBadRequest", "mac_address"),
    ("port", {"mac_address": "{mac}"}, 409, "MacAddressInUse", "{mac}"),
    ("port", {"fixed_ips": "192.0.2.9"}, 400, "HTTPBadRequest", "Invalid input for fixed_ips"),
    ("port", {"fixed_ips": [{"ip_address": "192.0.2.999"}]}, 400, "HTTPBadRequest", "fixed_ips"),
    ("port", {"fixed_ips": [{"ip_address": "203.0.113.9"}]}, 400, "InvalidIpForNetwork", "203.0.113.9"),
    (
        "port",
        {"fixed_ips": [{"ip_address": "203.0.113.9", "subnet_id": "{subnet}"}]},
        400,
        "InvalidIpForSubnet",
        "203.0.113.9",
    ),
    ("port", {"fixed_ips": [{"subnet_id": GONE}]}, 400, "InvalidInput", "fixed_ips"),
    ("port", {"fixed_ips": [{"ip_address": "{ip}"}]}, 409, "IpAddressAlreadyAllocated", "{ip}"),
    (
        "port",
        {"fixed_ips": [{"ip_address": "192.0.2.9"}, {"ip_address": "192.0.2.9"}]},
        400,
        "HTTPBadRequest",
        "fixed_ips",
    ),
    (
        "port",
        {"fixed_ips": [{"address": "192.0.2.9"}]},
        400,
        "HTTPBadRequest",
        "fixed_ips. Reason: 'address' is not expected",
    ),
    ("port", {"fixed_ips": [{}]}, 400, "InvalidInput", "subnet_id or ip_address"),
    (
        "port",
        {"binding:vnic_type": "tube"},
        400,
        "HTTPBadRequest",
        "binding:vnic_type. Reason: 'tube' is not in ['normal'",
    ),
    (
        "port",
        {"binding:profile": "trunk"},
        400,
        "HTTPBadRequest",
        "binding:profile. Reason: 'trunk' is not a dictionary",
    ),
    ("port", {"binding:profile": {"x": "y" * 4096}}, 400, "HTTPBadRequest", "binding:profile"),
    ("port", {"binding:profile": {"x": ["a\0"]}}, 400, "HTTPBadRequest", "binding:profile"),
    ("port", {"binding:vif_type": "ovs"}, 400, "HTTPBadRequest", "Attribute 'binding:vif_type' not allowed in POST"),
    ("port", {"security_groups": []}, 400, "HTTPBadRequest", "Unrecognized attribute(s) 'security_groups'"),
    (
        "port",
        {"allowed_address_pairs": [{}]},
        400,
        "HTTPBadRequest",
        "allowed_address_pairs. Reason: 'ip_address' is missing",
    ),
    (
        "port",
        {"allowed_address_pairs": [{"ip_address": "10.0.0.0/99"}]},
        400,
        "HTTPBadRequest",
        "allowed_address_pairs",
    ),
    (
        "port",
        {"allowed_address_pairs": [{"ip_address": "10.0.0.9", "mac_address": "x"}]},
        400,
        "HTTPBadRequest",
        "allowed_address_pairs",
    ),
    (
        "port",
        {"allowed_address_pairs": [{"ip_address": "10.0.0.9"}] * 2},
        400,
        "DuplicateAddressPairInRequest",
        "allowed_address_pairs",
    ),
    (
        "port",
        {"allowed_address_pairs": [{"ip_address": f"10.0.0.{n}"} for n in range(11)]},
        400,
        "AllowedAddressPairExhausted",
        "allowed_address_pairs. Reason: 11 exceed the limit of 10",
    ),
    (
        "port",
        {"allowed_address_pairs": [{"ip_address": "10.0.0.9"}], "port_security_enabled": False},
        409,
        "AddressPairAndPortSecurityRequired",
        "Port Security",
    ),
    (
        "port",
        {"extra_dhcp_opts": [{"opt_name": "mtu"}]},
        400,
        "HTTPBadRequest",
        "extra_dhcp_opts. Reason: 'opt_value' is missing",
    ),
    ("port", {"extra_dhcp_opts": [{"opt_name": " ", "opt_value": "1"}]}, 400, "HTTPBadRequest", "extra_dhcp_opts"),
    (
        "port",
        {"extra_dhcp_opts": [{"opt_name": "a", "opt_value": "1", "ip_version": 5}]},
        400,
        "HTTPBadRequest",
        "extra_dhcp_opts",
    ),
    ("segment", {"network_id": "{network}"}, 400, "HTTPBadRequest", "Required attribute 'network_type' not specified"),
    ("segment", {"network_id": GONE, "network_type": "vxlan"}, 404, "NetworkNotFound", GONE),
    ("segment", {"network_id": "{network}", "network_type": "token-ring"}, 400, "InvalidInput", "network_type"),
    ("segment", {"network_id": "{network}", "network_type": "x" * 33}, 400, "HTTPBadRequest", "network_type"),
]

UPDATES: list[Case] = [
    ("network", {"colour": "blue"}, 400, "HTTPBadRequest", "Unrecognized attribute(s) 'colour'"),
    ("network", {"id": GONE}, 400, "HTTPBadRequest", "Cannot update read-only attribute id"),
    ("network", {"status": "DOWN"}, 400, "HTTPBadRequest", "Cannot update read-only attribute status"),
    ("network", {"provider:segmentation_id": 7}, 400, "HTTPBadRequest", "read-only attribute provider:segmentation_id"),
    ("network", {"mtu": "1e3"}, 400, "HTTPBadRequest", "mtu"),
    ("subnet", {"cidr": "10.0.0.0/24"}, 400, "HTTPBadRequest", "Cannot update read-only attribute cidr"),
    ("subnet", {"ip_version": 6}, 400, "HTTPBadRequest", "Cannot update read-only attribute ip_version"),
    ("subnet", {"gateway_ip": "192.0.2.5"}, 409, "GatewayConflictWithAllocationPools", "192.0.2.5"),
    ("subnet", {"gateway_ip": 7}, 400, "HTTPBadRequest", "gateway_ip"),
    (
        "subnet",
        {"allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.9"}]},
        400,
        "OutOfBoundsAllocationPool",
        "pool",
    ),
    ("port", {"network_id": GONE}, 400, "HTTPBadRequest", "Cannot update read-only attribute network_id"),
    ("port", {"tenant_id": "x"}, 400, "HTTPBadRequest", "Cannot update read-only attribute tenant_id"),
    ("port", {"admin_state_up": "up"}, 400, "HTTPBadRequest", "admin_state_up"),
    ("port", {"mac_address": None}, 400, "HTTPBadRequest", "mac_address"),
    ("port", {"fixed_ips": [{"ip_address": "203.0.113.9"}]}, 400, "InvalidIpForNetwork", "203.0.113.9"),
    (
        "port",
        {"extra_dhcp_opts": [{"opt_name": "a", "opt_value": "1", "ip_version": "x"}]},
        400,
        "HTTPBadRequest",
        "extra_dhcp_opts",
    ),
    ("segment", {"segmentation_id": 7}, 400, "HTTPBadRequest", "Cannot update read-only attribute segmentation_id"),
]


class Existing:
    """What stands in the database before a bad request, and what placeholders mean."""

    def __init__(self, api: Any, ids: Mapping[str, str]) -> None:
        self._api = api
        self.ids = ids

    async def everything(self) -> dict[str, list[Any]]:
        """Return all resources."""
        return {collection: await self._api.list(collection) for collection in COLLECTIONS}

    def fill(self, value: Any) -> Any:
        """Put ids in the place of placeholders."""
        if isinstance(value, str):
            return value.format(**self.ids) if "{" in value else value
        if isinstance(value, list):
            return [self.fill(inner) for inner in value]
        if isinstance(value, dict):
            return {name: self.fill(inner) for name, inner in value.items()}
        return value


@pytest.fixture
async def existing(api: Any) -> Existing:
    """Create one resource of each kind."""
    network = await api.create("network")
    subnet = await api.create("subnet", network_id=network["id"], ip_version=4, cidr="192.0.2.0/24")
    port = await api.create("port", network_id=network["id"])
    segment = (await api.list("segments"))[0]
    return Existing(
        api,
        {
            "network": network["id"],
            "subnet": subnet["id"],
            "port": port["id"],
            "segment": segment["id"],
            "mac": port["mac_address"],
            "ip": port["fixed_ips"][0]["ip_address"],
        },
    )


async def test_creations_that_cannot_be(api: Any, existing: Existing) -> None:
    """Each bad creation is refused in Neutron's way, and leaves nothing behind."""
    before = await existing.everything()
    usual: dict[str, dict[str, Any]] = {
        "port": {"network_id": "{network}"},
        "subnet": {"network_id": "{network}", "ip_version": 4, "cidr": "10.0.0.0/24"},
    }
    for kind, attributes, *expected in CREATIONS:
        needed = {} if "not specified" in str(expected[-1]) else usual.get(kind, {})
        body = {kind: existing.fill({**needed, **attributes})}
        refused = await api.refused("POST", f"{kind}s", json=body)
        _check(f"POST {body}", refused, [existing.fill(part) for part in expected])
        refused = await api.refused("POST", f"{kind}s", json={f"{kind}s": [body[kind]]})
        assert 400 <= refused[0] < 500, body
    assert await existing.everything() == before


async def test_updates_that_cannot_be(api: Any, existing: Existing) -> None:
    """Each bad update is refused in Neutron's way, and changes nothing."""
    before = await existing.everything()
    for kind, attributes, *expected in UPDATES:
        body = {kind: existing.fill(attributes)}
        refused = await api.refused("PUT", f"{kind}s/{existing.ids[kind]}", json=body)
        _check(f"PUT {body}", refused, expected)
    assert await existing.everything() == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Resource body required"),
        (b"{", "Body contains invalid data"),
        (b'{"network": {"name": "x"}', "Body contains invalid data"),
        (b'{"network": {"name": "x",}}', "Body contains invalid data"),
        (b"\xff\xfe", "Body contains invalid data"),
        (b'{"network": {"name": "\xff"}}', "Body contains invalid data"),
        (b'{"network": {"name": "\\ud800"}}', "Body contains invalid data"),
        (b'{"network": {"name": "\\u0000"}}', "Invalid input for name"),
        (b'{"network": {"na\\u0000me": "x"}}', "Unrecognized attribute"),
        (b'{"network": {"mtu": ' + b"1" * 5000 + b"}}", "Body contains invalid data"),
        (b'{"network": {"name": ' + b"[" * 100000, "Body contains invalid data"),
        (b"[]", "Body contains invalid data"),
        (b"null", "Body contains invalid data"),
        (b"{}", "Unable to find 'network' in request body"),
        (b'{"port": {}}', "Unable to find 'network' in request body"),
        (b'{"network": null}', "Object 'network' contains invalid data"),
        (b'{"network": []}', "Object 'network' contains invalid data"),
        (b'{"network": "blue"}', "Object 'network' contains invalid data"),
        (b'{"networks": []}', "Resources required"),
        (b'{"networks": {}}', "Object 'network' contains invalid data"),
        (b'{"networks": [7]}', "Object 'network' contains invalid data"),
        (b'{"networks": [{"name": "a"}, {"name": 7}]}', "Invalid input for name. Reason: '7' is not a valid string"),
        (b'{"networks": [{"name": "a"}, {"name": "\\u0000"}]}', "Invalid input for name"),
    ],
    ids=lambda value: value.decode("latin-1")[:30] if isinstance(value, bytes) else "",
)
async def test_body_that_cannot_be_read(api: Any, content: bytes, message: str) -> None:
    """A body that is not what it should be is a 400 that says so."""
    status, type_, text = await api.refused("POST", "networks", content=content)

    assert (status, type_) == (400, "HTTPBadRequest")
    assert message in text
    assert await api.list("networks") == []


async def test_nul_deep_inside_a_profile_is_found(api: Any) -> None:
    """A value that is nested deeper than Python calls is looked through all the same."""
    network = await api.create("network")
    profile = b'{"a": ' + b"[" * 900 + b'"\\u0000"' + b"]" * 900 + b"}"
    content = b'{"port": {"network_id": "%s", "binding:profile": %s}}' % (network["id"].encode(), profile)

    status, _, message = await api.refused("POST", "ports", content=content)

    assert status == 400
    assert "binding:profile" in message


@pytest.mark.parametrize("depth", [99, 100, 900, 950, 960])
async def test_profile_is_bounded_in_depth(api: Any, depth: int) -> None:
    """A profile of a hundred levels is taken; one that some part of the core could not walk is a 400."""
    network = await api.create("network")
    profile = b'{"a": ' + b"[" * depth + b"]" * depth + b"}"
    content = b'{"port": {"network_id": "%s", "binding:profile": %s}}' % (network["id"].encode(), profile)

    answer = await api.http.post("/v2.0/ports", content=content)

    assert answer.status_code == (201 if depth < 100 else 400), answer.text


async def test_update_of_many_is_refused(api: Any, existing: Existing) -> None:
    """A list is no body for one resource."""
    status, _, message = await api.refused(
        "PUT", f"networks/{existing.ids['network']}", json={"networks": [{"name": "a"}]}
    )

    assert (status, message) == (400, "Bulk operation not supported")


async def test_port_of_a_deleted_network_is_refused(api: Any) -> None:
    """A parent that is gone is not found, even by a process that knew it."""
    network = await api.create("network")
    port = await api.create("port", network_id=network["id"])
    await api.delete("port", port["id"])
    await api.delete("network", network["id"])

    refused = await api.refused("POST", "ports", json={"port": {"network_id": network["id"]}})

    assert refused[:2] == (404, "NetworkNotFound")
    assert await api.list("ports") == []


async def test_project_of_the_headers_is_bounded(api: Any) -> None:
    """A project id that no column holds is refused by name."""
    status, _, message = await api.refused(
        "POST", "networks", json={"network": {}}, headers={"X-Project-Id": "x" * 256}
    )

    assert status == 400
    assert "X-Project-Id" in message


def _check(request: str, refused: tuple[int, str, str], expected: list[Any]) -> None:
    status, type_, message = refused
    assert (status, type_) == tuple(expected[:2]), f"{request}: {refused}"
    assert expected[2] in message, f"{request}: {message}"
