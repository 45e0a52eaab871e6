"""Ports through the API: addresses, bindings, address pairs, DHCP options."""

import asyncio
from typing import Any

import pytest


@pytest.fixture
async def subnet(api: Any) -> Any:
    """Create a network with an IPv4 subnet."""
    network = await api.create("network")
    return await api.create("subnet", network_id=network["id"], ip_version=4, cidr="192.0.2.0/24")


async def test_new_port_shows_everything_that_clients_read(api: Any, subnet: dict[str, Any]) -> None:
    """A port created with its defaults has an address, a MAC and no binding."""
    port = await api.create("port", network_id=subnet["network_id"])

    assert port["mac_address"].startswith("fa:16:3e:")
    assert [fixed_ip["subnet_id"] for fixed_ip in port["fixed_ips"]] == [subnet["id"]]
    expected = {
        "network_id": subnet["network_id"],
        "name": "",
        "description": "",
        "admin_state_up": True,
        "status": "DOWN",
        "device_id": "",
        "device_owner": "",
        "port_security_enabled": True,
        "allowed_address_pairs": [],
        "extra_dhcp_opts": [],
        "binding:host_id": "",
        "binding:vnic_type": "normal",
        "binding:profile": {},
        "binding:vif_type": "unbound",
        "binding:vif_details": {},
        "binding:failures": [],
        "jackfield:wiring": {"state": "unknown", "reason": ""},
        "revision_number": 1,
    }
    assert {name: port[name] for name in expected} == expected
    assert await api.show("port", port["id"]) == port


async def test_port_has_what_it_was_given(api: Any, subnet: dict[str, Any]) -> None:
    """Addresses are stored in canonical form, everything else as it came."""
    port = await api.create(
        "port",
        **{
            "network_id": subnet["network_id"],
            "project_id": "p1",
            "name": "eth0",
            "mac_address": "FA-16-3E-00-00-0A",
            "fixed_ips": [{"subnet_id": subnet["id"], "ip_address": "192.0.2.9"}, {"ip_address": "192.0.2.10"}],
            "device_id": "machine",
            "device_owner": "compute:nova",
            "allowed_address_pairs": [
                {"ip_address": "198.51.100.0/24"},
                {"ip_address": "192.0.2.77", "mac_address": "FA:16:3E:00:00:0B"},
            ],
            "extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": "1400"}],
            "binding:vnic_type": "baremetal",
            "binding:profile": {"local_link_information": [{"port_id": "Ethernet1"}]},
        },
    )

    assert port["mac_address"] == "fa:16:3e:00:00:0a"
    assert [one["ip_address"] for one in port["fixed_ips"]] == ["192.0.2.9", "192.0.2.10"]
    assert port["allowed_address_pairs"] == [
        {"ip_address": "198.51.100.0/24", "mac_address": "fa:16:3e:00:00:0a"},
        {"ip_address": "192.0.2.77", "mac_address": "fa:16:3e:00:00:0b"},
    ]
    assert port["extra_dhcp_opts"] == [{"opt_name": "mtu", "opt_value": "1400", "ip_version": 4}]
    assert port["binding:profile"] == {"local_link_information": [{"port_id": "Ethernet1"}]}
    assert (port["binding:vnic_type"], port["device_id"], port["tenant_id"]) == ("baremetal", "machine", "p1")


async def test_port_that_nobody_binds_says_so(api: Any, subnet: dict[str, Any]) -> None:
    """A host without a driver that wants the port is a failed binding, and the port exists."""
    port = await api.create("port", **{"network_id": subnet["network_id"], "binding:host_id": "host-1"})

    assert (port["binding:host_id"], port["binding:vif_type"]) == ("host-1", "binding_failed")
    unbound = await api.update("port", port["id"], **{"binding:host_id": None, "binding:profile": None})
    assert (unbound["binding:host_id"], unbound["binding:vif_type"]) == ("", "unbound")


async def test_port_without_addresses(api: Any, subnet: dict[str, Any]) -> None:
    """An empty list of addresses means none, and later one can be asked for."""
    port = await api.create("port", network_id=subnet["network_id"], fixed_ips=[])
    assert port["fixed_ips"] == []

    changed = await api.update("port", port["id"], fixed_ips=[{"subnet_id": subnet["id"]}])

    assert len(changed["fixed_ips"]) == 1


async def test_dhcp_options_change_one_by_one(api: Any, subnet: dict[str, Any]) -> None:
    """An update changes the options that it names, null takes one away, the others stay."""
    port = await api.create(
        "port",
        network_id=subnet["network_id"],
        extra_dhcp_opts=[{"opt_name": "a", "opt_value": "1"}, {"opt_name": "b", "opt_value": "2"}],
    )

    changed = await api.update(
        "port",
        port["id"],
        name="renamed",
        extra_dhcp_opts=[
            {"opt_name": "a", "opt_value": None},
            {"opt_name": "c", "opt_value": "3", "ip_version": "6"},
        ],
    )

    assert changed["extra_dhcp_opts"] == [
        {"opt_name": "b", "opt_value": "2", "ip_version": 4},
        {"opt_name": "c", "opt_value": "3", "ip_version": 6},
    ]
    assert changed["name"] == "renamed"


async def test_dhcp_options_are_bounded_together(api: Any, subnet: dict[str, Any]) -> None:
    """Options that come one update after the other do not pass the bound of one request."""
    options = [{"opt_name": f"option-{number}", "opt_value": "v"} for number in range(100)]
    port = await api.create("port", network_id=subnet["network_id"], extra_dhcp_opts=options)
    more = [{"opt_name": "one-more", "opt_value": "v"}]

    refused = await api.refused("PUT", f"ports/{port['id']}", json={"port": {"extra_dhcp_opts": more}})

    assert refused[:2] == (400, "InvalidInput")
    room = [*more, {"opt_name": "option-7", "opt_value": None}]
    changed = await api.update("port", port["id"], extra_dhcp_opts=room)
    assert len(changed["extra_dhcp_opts"]) == 100


async def test_dhcp_options_of_concurrent_updates_all_stay(api: Any, subnet: dict[str, Any]) -> None:
    """Two clients that add an option each do not lose one."""
    port = await api.create("port", network_id=subnet["network_id"])
    names = [f"option-{number}" for number in range(4)]

    await asyncio.gather(
        *(api.update("port", port["id"], extra_dhcp_opts=[{"opt_name": name, "opt_value": "x"}]) for name in names)
    )

    options = (await api.get(f"ports/{port['id']}"))["port"]["extra_dhcp_opts"]
    assert sorted(option["opt_name"] for option in options) == names


async def test_bulk_creates_all_ports_or_none(api: Any, subnet: dict[str, Any]) -> None:
    """A list of ports gets addresses that differ; one that cannot be lets none be."""
    wanted = [{"network_id": subnet["network_id"], "name": f"p{number}"} for number in range(20)]
    answer = await api.http.post("/v2.0/ports", json={"ports": wanted})
    assert answer.status_code == 201
    ports = answer.json()["ports"]
    assert [port["name"] for port in ports] == [port["name"] for port in wanted]
    assert len({port["fixed_ips"][0]["ip_address"] for port in ports}) == 20

    taken = ports[0]["fixed_ips"][0]["ip_address"]
    bad = {"network_id": subnet["network_id"], "fixed_ips": [{"ip_address": taken}]}
    status, type_, message = await api.refused("POST", "ports", json={"ports": [*wanted, bad]})

    assert (status, type_) == (409, "IpAddressAlreadyAllocated")
    assert taken in message
    assert len(await api.list("ports")) == 20


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("fixed_ips=ip_address=192.0.2.9", ["a"]),
        ("fixed_ips=ip_address=192.0.2.9&fixed_ips=ip_address=192.0.2.30", ["a", "b"]),
        ("fixed_ips=ip_address_substr=.2.3", ["b"]),
        ("fixed_ips=subnet_id=nothing", []),
        ("mac_address=FA:16:3E:00:00:01", ["a"]),
        ("mac_address=nonsense", []),
        ("device_id=m1&device_owner=compute:nova", ["a"]),
        ("device_id=m1&device_id=m2", ["a", "b"]),
        ("binding:host_id=h1", ["b"]),
        ("binding:vif_type=binding_failed", ["b"]),
        ("admin_state_up=0", ["b"]),
        ("changed_since=2000-01-01T00:00:00Z", ["a", "b"]),
        ("changed_since=2999-01-01T00:00:00", []),
    ],
)
async def test_ports_are_narrowed(api: Any, subnet: dict[str, Any], query: str, names: list[str]) -> None:
    """Lists of ports can be filtered by addresses, device and binding."""
    network_id = subnet["network_id"]
    await api.create(
        "port",
        network_id=network_id,
        name="a",
        mac_address="fa:16:3e:00:00:01",
        fixed_ips=[{"ip_address": "192.0.2.9"}],
        device_id="m1",
        device_owner="compute:nova",
    )
    await api.create(
        "port",
        **{
            "network_id": network_id,
            "name": "b",
            "fixed_ips": [{"ip_address": "192.0.2.30"}],
            "device_id": "m2",
            "admin_state_up": False,
            "binding:host_id": "h1",
        },
    )

    assert sorted(port["name"] for port in await api.list("ports", query)) == names


async def test_port_is_found_by_its_second_of_creation(api: Any, subnet: dict[str, Any]) -> None:
    """The time that an answer shows finds the port again, though the row knows it finer."""
    port = await api.create("port", network_id=subnet["network_id"])

    found = await api.list("ports", f"created_at={port['created_at']}")

    assert [one["id"] for one in found] == [port["id"]]
