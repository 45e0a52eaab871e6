"""Clients that exist: the openstack command line and openstacksdk, unmodified, over a socket."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import openstack
import pytest
import uvicorn
from jackfield_core.app import Application
from openstack import exceptions
from openstack.connection import Connection

pytestmark = pytest.mark.filterwarnings(
    "ignore::openstack.warnings.RemovedInSDK50Warning", "ignore::openstack.warnings.RemovedInSDK60Warning"
)


@pytest.fixture
async def endpoint(application: Application) -> AsyncIterator[str]:
    """Serve the API on a free port."""
    server = uvicorn.Server(
        uvicorn.Config(application.api, port=0, lifespan="off", log_config=None, access_log=False, http="httptools")
    )
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(30):
        while not server.started:
            await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving


@pytest.fixture
def sdk(endpoint: str) -> Connection:
    """Open a connection of openstacksdk the way a user without an identity service does."""
    return openstack.connect(load_yaml_config=False, load_envvars=False, auth_type="none", auth={"endpoint": endpoint})


async def in_thread(story: Callable[..., Any], *arguments: Any) -> Any:
    """Run blocking client code while the API is served here."""
    return await asyncio.to_thread(story, *arguments)


async def test_sdk_manages_networks_subnets_and_ports(sdk: Connection) -> None:
    """Create, find by name, list, change and delete, as a program does it."""

    def story() -> None:
        network = sdk.network.create_network(name="blue", is_router_external=True, mtu=1400)
        assert network.is_router_external
        subnet = sdk.network.create_subnet(name="s", network_id=network.id, ip_version=4, cidr="192.0.2.0/24")
        ports = list(sdk.network.create_ports([{"network_id": network.id, "name": f"p{n}"} for n in range(3)]))
        found = sdk.network.find_network("blue")
        assert found is not None
        assert found.subnet_ids == [subnet.id]
        assert sdk.network.find_network("red") is None
        assert {port.name for port in sdk.network.ports(network_id=network.id)} == {"p0", "p1", "p2"}
        assert [port.name for port in sdk.network.ports(fixed_ips=f"ip_address={_address(ports[1])}")] == ["p1"]
        port = sdk.network.update_port(ports[0], name="renamed", binding_profile={"a": "b"})
        assert (port.name, port.binding_profile, port.revision_number) == ("renamed", {"a": "b"}, 2)
        for port in ports:
            sdk.network.delete_port(port, ignore_missing=False)
        sdk.network.delete_subnet(subnet, ignore_missing=False)
        sdk.network.delete_network(network, ignore_missing=False)
        assert list(sdk.network.networks()) == []

    await in_thread(story)


async def test_sdk_follows_pages(sdk: Connection) -> None:
    """A client that asks for small pages gets everything once."""

    def story() -> None:
        for number in range(7):
            sdk.network.create_network(name=f"n{number}")
        names = [network.name for network in sdk.network.networks(limit=3, sort_key="name", sort_dir="asc")]
        assert names == [f"n{number}" for number in range(7)]

    await in_thread(story)


async def test_sdk_understands_errors(sdk: Connection) -> None:
    """Errors arrive as the exceptions that programs catch, with our words in them."""

    def story() -> None:
        network = sdk.network.create_network()
        sdk.network.update_network(network, name="first")
        with pytest.raises(exceptions.PreconditionFailedException, match="current revision"):
            sdk.network.update_network(network, if_revision=1, name="second")
        with pytest.raises(exceptions.BadRequestException, match="segmentation_id out of range"):
            sdk.network.create_network(
                provider_network_type="vlan", provider_physical_network="physnet1", provider_segmentation_id=5000
            )
        with pytest.raises(exceptions.NotFoundException, match="could not be found"):
            sdk.network.get_port("8d1bd8b3-0d0c-4e9d-bd8c-dc8b4dbcc5a3")
        sdk.network.create_port(network_id=network.id)
        with pytest.raises(exceptions.ConflictException, match="ports still in use"):
            sdk.network.delete_network(network.id, ignore_missing=False)

    await in_thread(story)


async def test_sdk_reads_resources_with_attributes_that_it_does_not_know(sdk: Connection) -> None:
    """How far drivers are is shown beside what the SDK knows, and harms nothing; who asks for it gets it."""

    def story() -> None:
        created = sdk.network.create_network(name="blue")
        assert sdk.network.get_network(created.id).name == "blue"
        assert sdk.network.find_network("blue", ignore_missing=False).id == created.id
        asked = {"fields": ["id", "jackfield:delivery"]}
        assert sdk.network.get("/networks", params=asked).json() == {
            "networks": [{"id": created.id, "jackfield:delivery": []}]
        }
        assert sdk.network.get(f"/networks/{created.id}").json()["network"]["jackfield:delivery"] == []
        assert sdk.network.find_extension("jackfield-delivery") is not None

    await in_thread(story)


async def test_sdk_finds_extensions(sdk: Connection) -> None:
    """What is implemented is found, what is not is not."""

    def story() -> None:
        assert sdk.network.find_extension("binding") is not None
        assert sdk.network.find_extension("tag-ports-during-bulk-creation") is None
        assert {one.alias for one in sdk.network.extensions()} >= {"provider", "port-security"}

    await in_thread(story)


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_command_line_tells_the_same_story(endpoint: str) -> None:
    """The openstack command creates, lists and deletes, by name."""

    async def run(*arguments: str, succeeds: bool = True) -> Any:
        status, output = await _openstack(endpoint, *arguments, *(["-f", "json"] if _has_output(arguments) else []))
        assert (status == 0) is succeeds, output
        return json.loads(output) if succeeds and _has_output(arguments) else output

    vlan = ["--provider-network-type", "vlan", "--provider-physical-network", "physnet1", "--provider-segment"]
    network = await run("network", "create", *vlan, "150", "--mtu", "1400", "--external", "blue")
    assert (network["provider:segmentation_id"], network["mtu"], network["router:external"]) == (150, 1400, True)
    await run("subnet", "create", "--network", "blue", "--subnet-range", "192.0.2.0/24", "--gateway", "none", "s")
    port = await run(
        *("port", "create", "--network", "blue", "--fixed-ip", "subnet=s,ip-address=192.0.2.9"),
        *("--binding-profile", "a=b", "--extra-dhcp-option", "name=x,value=y", "eth0"),
    )
    assert [one["ip_address"] for one in port["fixed_ips"]] == ["192.0.2.9"]
    shown = await run("port", "show", "eth0")
    assert (shown["id"], shown["status"]) == (port["id"], "DOWN")
    (listed,) = await run("port", "list", "--network", "blue", "--long")
    assert (listed["Name"], listed["Status"]) == ("eth0", "DOWN")
    assert "segmentation_id out of range" in await run("network", "create", *vlan, "5000", "bad", succeeds=False)
    await run("port", "delete", "eth0")
    assert await run("port", "list") == []


def _address(port: Any) -> str:
    address: str = port.fixed_ips[0]["ip_address"]
    return address


def _has_output(arguments: tuple[str, ...]) -> bool:
    return not {"set", "delete"} & set(arguments[:3])


async def _openstack(endpoint: str, *arguments: str) -> tuple[int, str]:
    """Run the command line without any setting of the user's own clouds or proxies."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("OS_") and "proxy" not in name.lower()
    }
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("openstack")),
        *arguments,
        env={**kept, "OS_AUTH_TYPE": "none", "OS_ENDPOINT": endpoint},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()
