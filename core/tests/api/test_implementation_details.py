"""What a compute node is told before it plugs an interface."""

import uuid
from typing import Any

import pytest
from jackfield_core.app import Application
from jackfield_core.db.agent import Agent
from jackfield_core.db.base import now
from jackfield_core.db.inactive_binding import InactiveBinding
from jackfield_core.db.port import Binding
from jackfield_core.types import BindingLevel
from msgspec.structs import replace

OVS_DETAILS = {"bridge_name": "br-int", "datapath_type": "system", "port_filter": True}
TAP_DETAILS = {"mac_address": "fe:16:3e:00:00:01", "port_filter": True}


class Site:
    """Hosts with agents, and ports that are bound there the way services do it."""

    def __init__(self, api: Any, application: Application) -> None:
        self.api = api
        self._work = application.unit_of_work

    async def network(self) -> Any:
        """Create a VLAN network with a subnet."""
        provider = {"provider:network_type": "vlan", "provider:physical_network": "physnet1"}
        network = await self.api.create("network", **provider, **{"provider:segmentation_id": 142}, mtu=1400)
        await self.api.create("subnet", network_id=network["id"], ip_version=4, cidr="192.0.2.0/24")
        (segment,) = await self.api.list("segments", f"network_id={network['id']}")
        return {**network, "segment_id": segment["id"]}

    async def agent(self, host: str, driver: str, bridge: str) -> str:
        """Add an agent that was heard of just now; return its id."""
        at = now()
        agent = Agent(
            id=str(uuid.uuid4()),
            agent_type=f"{driver} agent",
            host=host,
            binary=driver,
            version="1",
            driver=driver,
            description="",
            admin_state_up=True,
            physical_networks={"physnet1": bridge},
            tunnel_types=("vxlan",),
            tunnel_ip="198.51.100.7",
            vif_types=(driver,),
            configurations={},
            neighbours=(),
            created_at=at,
            started_at=at,
            heartbeat_at=at,
        )
        async with self._work() as tx:
            return await tx.agents.save(agent)

    async def port(self, network: Any, host: str, driver: str, vif_type: str, details: dict[str, Any]) -> Any:
        """Create a port that *driver* has bound."""
        created = await self.api.create("port", network_id=network["id"])
        binding = Binding(host=host, vif_type=vif_type, vif_details=details)
        async with self._work() as tx:
            port = await tx.ports.find_for_update(created["id"])
            assert port
            await tx.ports.update_binding(replace(port, binding=binding), self._levels(driver, network))
        return created

    async def wait(self, port: Any, network: Any, host: str, driver: str, details: dict[str, Any]) -> None:
        """Add a binding of the port that is not active."""
        binding = Binding(host=host, vif_type="tap", vif_details=details)
        async with self._work() as tx:
            await tx.inactive_bindings.add(InactiveBinding(port["id"], binding, self._levels(driver, network)))

    def _levels(self, driver: str, network: Any) -> tuple[BindingLevel, ...]:
        return (BindingLevel(0, driver, network["segment_id"]),)


@pytest.fixture
def site(api: Any, application: Application) -> Site:
    """Give an empty site."""
    return Site(api, application)


def segment_of(network: Any) -> dict[str, Any]:
    """Return the segment of a network as details show it."""
    return {
        "id": network["segment_id"],
        "network_type": "vlan",
        "physical_network": "physnet1",
        "segmentation_id": 142,
    }


def agent_shown(id: str, driver: str, bridge: str) -> dict[str, Any]:
    """Return an agent as details show it."""
    return {
        "id": id,
        "agent_type": f"{driver} agent",
        "driver": driver,
        "alive": True,
        "admin_state_up": True,
        "physical_networks": {"physnet1": bridge},
        "tunnel_types": ["vxlan"],
        "tunnel_ip": "198.51.100.7",
        "vif_types": [driver],
    }


async def test_port_says_all_that_its_host_has_to_know(api: Any, site: Site) -> None:
    """Binding, bridge, segment, MTU, addresses, and both agents of the host, in one answer."""
    network = await site.network()
    agents = [await site.agent("host-1", "linuxbridge", "eth1"), await site.agent("host-1", "ovs", "br-ex")]
    port = await site.port(network, "host-1", "ovs", "ovs", OVS_DETAILS)

    shown = (await api.get(f"port-implementation-details/{port['id']}"))["port_implementation_details"]

    assert shown == {
        "id": port["id"],
        "network_id": network["id"],
        "mtu": 1400,
        "mac_address": port["mac_address"],
        "fixed_ips": [
            {
                **port["fixed_ips"][0],
                "cidr": "192.0.2.0/24",
                "gateway_ip": "192.0.2.1",
            }
        ],
        "admin_state_up": True,
        "port_security_enabled": True,
        "allowed_address_pairs": [],
        "binding": {
            "driver": "ovs",
            "vif_type": "ovs",
            "vif_details": OVS_DETAILS,
            "bridge_name": "br-int",
            "segment": segment_of(network),
            "host": "host-1",
            "status": "ACTIVE",
            "vnic_type": "normal",
            "profile": {},
            "levels": [
                {
                    "level": 0,
                    "driver": "ovs",
                    "segment_id": network["segment_id"],
                    "network_type": "vlan",
                    "physical_network": "physnet1",
                    "segmentation_id": 142,
                }
            ],
            "agents": [agent_shown(agents[0], "linuxbridge", "eth1"), agent_shown(agents[1], "ovs", "br-ex")],
        },
    }


async def test_host_chooses_the_binding(api: Any, site: Site) -> None:
    """The destination of a migration asks for its own binding, before it is active."""
    network = await site.network()
    port = await site.port(network, "host-1", "ovs", "ovs", OVS_DETAILS)
    await site.wait(port, network, "host-2", "linuxbridge", TAP_DETAILS)

    path = f"port-implementation-details/{port['id']}"
    found = {host: (await api.get(path, host=host))["port_implementation_details"] for host in ("host-1", "host-2")}

    seen = {host: (one["binding"]["status"], one["binding"]["vif_type"]) for host, one in found.items()}
    assert seen == {"host-1": ("ACTIVE", "ovs"), "host-2": ("INACTIVE", "tap")}
    assert found["host-2"]["binding"]["bridge_name"] is None
    assert (await api.refused("GET", path, params={"host": "host-3"}))[:2] == (404, "PortBindingNotFound")


async def test_network_says_how_it_is_plugged_on_each_host(api: Any, site: Site) -> None:
    """Every way of plugging is named once for a host, however many ports there are, without what is a port's own."""
    network = await site.network()
    agent = await site.agent("host-1", "ovs", "br-ex")
    for host, driver, vif_type, details in (
        ("host-1", "ovs", "ovs", OVS_DETAILS),
        ("host-1", "ovs", "ovs", OVS_DETAILS),
        ("host-2", "linuxbridge", "tap", TAP_DETAILS),
    ):
        await site.port(network, host, driver, vif_type, details)
    path = f"network-implementation-details/{network['id']}"

    shown = (await api.get(path))["network_implementation_details"]

    assert (shown["id"], shown["mtu"], shown["segments"]) == (network["id"], 1400, [segment_of(network)])
    plug = {"driver": "ovs", "vif_type": "ovs", "vif_details": OVS_DETAILS, "bridge_name": "br-int"}
    assert shown["hosts"][0] == {
        "host": "host-1",
        "plugs": [{**plug, "segment": segment_of(network)}],
        "agents": [agent_shown(agent, "ovs", "br-ex")],
    }
    assert [host["host"] for host in shown["hosts"]] == ["host-1", "host-2"]
    assert shown["hosts"][1]["plugs"][0]["vif_details"] == {"port_filter": True}
    here = (await api.get(path, host="host-9"))["network_implementation_details"]["hosts"]
    assert here == [{"host": "host-9", "plugs": [], "agents": []}]


async def test_others_see_what_they_see_anyway(api: Any, site: Site) -> None:
    """Services are told like administrators; users get no host, and no error that tells of one."""
    network = await site.network()
    await site.agent("host-1", "ovs", "br-ex")
    port = await site.port(network, "host-1", "ovs", "ovs", OVS_DETAILS)

    async def seen(path: str, role: str) -> set[str]:
        answer = await api.http.get(f"/v2.0/{path}?host=host-3", headers={"X-Roles": role})
        return {*next(iter(answer.json().values()))} if answer.status_code == 200 else {str(answer.status_code)}

    of_network, of_port = (f"{kind}-implementation-details/{id}" for kind, id in _ids(network, port))
    assert await seen(of_network, "service") - await seen(of_network, "member") == {"segments", "hosts"}
    assert await seen(of_port, "service") == {"404"}
    assert "mac_address" in await seen(of_port, "member")
    assert "binding" not in await seen(of_port, "member")


async def test_users_are_not_told_where_ports_are(api: Any, site: Site) -> None:
    """Of the binding of a port its owner sees the VNIC type; a service sees all of it."""
    port = await site.port(await site.network(), "host-1", "ovs", "ovs", OVS_DETAILS)

    async def bound(role: str) -> set[str]:
        answer = await api.http.get(f"/v2.0/ports/{port['id']}", headers={"X-Roles": role})
        return {name for name in answer.json()["port"] if name.startswith("binding:")}

    assert await bound("member") == {"binding:vnic_type"}
    assert {"binding:host_id", "binding:vif_type", "binding:vif_details", "binding:profile"} <= await bound("service")


async def test_nothing_else_is_answered(api: Any, site: Site) -> None:
    """What is unknown is not found, and what cannot be asked is refused; a port on no host has no binding."""
    network = await site.network()
    port = await api.create("port", network_id=network["id"])
    missing = "00000000-0000-4000-8000-000000000000"

    shown = (await api.get(f"port-implementation-details/{port['id']}"))["port_implementation_details"]

    assert shown["binding"] is None
    for path, expected in (
        (f"port-implementation-details/{missing}", (404, "PortNotFound")),
        (f"network-implementation-details/{missing}", (404, "NetworkNotFound")),
        (f"port-implementation-details/{port['id']}?colour=red", (400, "HTTPBadRequest")),
        ("port-implementation-details", (405, "HTTPMethodNotAllowed")),
    ):
        assert (path, (await api.refused("GET", path))[:2]) == (path, expected)
    aliases = {one["alias"] for one in await api.list("extensions")}
    assert {"jackfield-implementation-details", "binding-extended"} <= aliases


def _ids(network: Any, port: Any) -> list[tuple[str, str]]:
    return [("network", network["id"]), ("port", port["id"])]
