"""Ids in the letters that a client likes: they are hexadecimal numbers, and name the same in upper case."""

from typing import Any

import pytest
from jackfield_core import config


@pytest.fixture
def settings(settings: config.Settings) -> config.Settings:
    """Owe everything to a driver that never comes."""
    driver = config.Driver(name="absent", endpoint="unix:///nowhere/a.sock", policy="advisory")
    return settings.model_copy(update={"drivers": [driver]})


async def test_resource_is_found_by_its_id_in_upper_case(api: Any) -> None:
    """Shown, changed and deleted; what is answered has the id as it is."""
    network = await api.create("network")
    upper = network["id"].upper()

    assert (await api.show("network", upper))["id"] == network["id"]
    assert (await api.update("network", upper, name="blue"))["id"] == network["id"]
    await api.delete("network", upper)

    assert (await api.refused("GET", f"networks/{upper}"))[:2] == (404, "NetworkNotFound")


async def test_other_resources_are_named_in_upper_case(api: Any) -> None:
    """In a body as in a path: a subnet and ports of a network, an address on a subnet."""
    network = (await api.create("network"))["id"]
    subnet = await api.create("subnet", network_id=network.upper(), ip_version=4, cidr="192.0.2.0/24")
    port = await api.create("port", network_id=network.upper(), fixed_ips=[{"subnet_id": subnet["id"].upper()}])

    assert (subnet["network_id"], port["network_id"]) == (network, network)
    assert [one["subnet_id"] for one in port["fixed_ips"]] == [subnet["id"]]


async def test_deliveries_are_found_by_ids_in_upper_case(api: Any) -> None:
    """As a filter and in the name of a delivery."""
    network = await api.create("network")
    port = await api.create("port", network_id=network["id"])
    upper, id = port["id"].upper(), f"absent:port:{port['id']}"

    assert [one["id"] for one in await api.list("deliveries", f"resource_id={upper}")] == [id]
    on_network = await api.list("deliveries", f"network_id={network['id'].upper()}")
    assert {one["resource_id"] for one in on_network} == {network["id"], port["id"]}
    assert (await api.get(f"deliveries/absent:port:{upper}"))["delivery"]["id"] == id
