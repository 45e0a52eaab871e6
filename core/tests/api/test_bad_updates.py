"""Changes that cannot be: each is refused as Neutron would, and nothing is changed."""

from typing import Any

GONE = "8d1bd8b3-0d0c-4e9d-bd8c-dc8b4dbcc5a3"

Case = tuple[str, Any, int, str, str]
"""Kind of resource, attributes, status, error type, and a part of the message."""

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


async def test_updates_that_cannot_be(api: Any, existing: Any) -> None:
    """Each bad update is refused in Neutron's way, and changes nothing."""
    before = await existing.everything()
    for kind, attributes, *expected in UPDATES:
        body = {kind: existing.fill(attributes)}
        refused = await api.refused("PUT", f"{kind}s/{existing.ids[kind]}", json=body)
        existing.check(f"PUT {body}", refused, expected)
    assert await existing.everything() == before
