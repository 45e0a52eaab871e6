"""Several drivers in turn on one port: two vendors of switches, and Open vSwitch on the host.

All of them are processes. The vendors' switches are files, and what they did is
in one journal, so that it is known who came first.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.mixed_site import HostPlan, Site, mixed_site

ORDER = ["fabric", "northwind", "ovs"]
HOSTS = {
    "mine-1": HostPlan("ovs", "198.51.100.1", "leaf1"),
    "theirs-1": HostPlan("ovs", "198.51.100.2", "leaf2"),
    "both-1": HostPlan("ovs", "198.51.100.3", "leaf1"),
}
VENDORS = {
    "fabric": {"mine-1": "leaf1", "both-1": "leaf1"},
    # A host may have a cable to each vendor's switch of its rack.
    "northwind": {"theirs-1": "leaf2", "both-1": "leaf1"},
}
REASON = "switch leaf1 does not answer"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """Run two vendors' racks, and one that both have switches in."""
    async with mixed_site(f"sqlite:///{tmp_path}/core.sqlite", ORDER, VENDORS, HOSTS) as site:
        yield site


@pytest.fixture
async def site_on_both(database_url: str) -> AsyncIterator[Site]:
    """Run the same on a database of each kind."""
    async with mixed_site(database_url, ORDER, VENDORS, HOSTS) as site:
        yield site


async def test_each_rack_is_bound_by_its_vendor(site: Site) -> None:
    """In a mixed datacentre one network is on the switches of both, each with the VLANs of its own racks."""
    network = await site.network()
    mine, theirs = await site.port(network, "mine-1"), await site.port(network, "theirs-1")
    vlans = await site.leaves(network)

    for port, vendor in ((mine, "fabric"), (theirs, "northwind")):
        await site.active(port["id"])
        assert port["binding:vif_details"]["bound_drivers"] == {"0": vendor, "1": "ovs"}
    assert {one["driver"]: one["reason"] for one in theirs["binding:failures"] if one["level"] == 0} == {
        "fabric": "host theirs-1 is on no switch of fabric"
    }
    assert site.vendors["fabric"].vlans() == {mine["id"]: ("leaf1", vlans["leaf1"])}
    assert site.vendors["northwind"].vlans() == {theirs["id"]: ("leaf2", vlans["leaf2"])}


async def test_drivers_have_their_turns_in_order_and_backwards_at_the_end(site: Site) -> None:
    """What one port needs of several drivers is done in the order of the settings, and undone in the reverse."""
    network = await site.network()
    ports = [await site.port(network, "both-1") for _ in range(3)]
    for port in ports:
        await site.active(port["id"])
        assert site.did(port["id"]) == [("fabric", "create"), ("northwind", "create")]
        assert port["id"] in site.agents["both-1"].ports

    await site.delete(*ports)

    async def is_gone() -> bool:
        return all(len(site.did(port["id"])) == 4 for port in ports)

    await site.eventually(is_gone, "both switches to let go")
    for port in ports:
        assert site.did(port["id"])[2:] == [("northwind", "delete"), ("fabric", "delete")]
    assert site.vendors["fabric"].vlans() == site.vendors["northwind"].vlans() == {}


async def test_one_vendor_that_fails_leaves_the_work_of_the_other(site_on_both: Site) -> None:
    """The port stays as far as it is, says which driver is missing and why, and is whole when that is mended."""
    site = site_on_both
    network = await site.network()
    site.vendors["northwind"].fail(REASON)

    port = await site.port(network, "both-1")

    async def is_failing() -> bool:
        found = await site.delivery(port["id"], "northwind")
        return bool(found and found["state"] == "retrying")

    await site.eventually(is_failing, "the failure")
    said = {one["driver"]: one for one in (await site.show(port["id"]))["jackfield:delivery"]}
    assert (said["northwind"]["reason"], said["northwind"]["message"]) == ("SWITCH_UNREACHABLE", REASON)
    assert said["fabric"]["state"] == "in_sync"
    assert site.vendors["fabric"].vlans().keys() == {port["id"]}
    assert site.vendors["northwind"].vlans() == {}
    assert (await site.show(port["id"]))["status"] == "DOWN", "a required driver does not have it"
    other = await site.port(network, "theirs-1")
    assert other["binding:vif_details"]["bound_drivers"]["0"] == "northwind", "requests do not wait for a switch"

    site.vendors["northwind"].recover()
    await site.active(port["id"])
    assert site.vendors["northwind"].vlans().keys() >= {port["id"]}


async def test_one_vendor_that_fails_at_the_end_holds_what_it_still_has(site: Site) -> None:
    """The other one lets go all the same; VLAN and port are held for the one that is missing, and then all is free."""
    network = await site.network()
    port = await site.port(network, "both-1")
    await site.active(port["id"])
    site.vendors["northwind"].fail(REASON)

    await site.delete(port)

    async def is_left_by_one() -> bool:
        found = await site.delivery(port["id"], "northwind")
        is_off = port["id"] not in site.vendors["fabric"].vlans()
        return is_off and found["state"] == "ending" and found["message"] == REASON

    await site.eventually(is_left_by_one, "the other vendor to let go")
    assert site.vendors["northwind"].vlans().keys() == {port["id"]}
    assert await site.leaves(network) != {}, "a switch still has the VLAN"

    site.vendors["northwind"].recover()

    async def is_free() -> bool:
        return not await site.leaves(network) and not site.vendors["northwind"].vlans()

    await site.eventually(is_free, "the segment to leave")


async def test_a_vendor_that_was_killed_is_told_when_it_is_back(site: Site) -> None:
    """Ports go on to come and go without it, and its switch is true to what is left soon after its return."""
    network = await site.network()
    first = await site.port(network, "both-1")
    await site.active(first["id"])
    vendor = site.vendors["northwind"]
    vendor.process.kill()

    second = await site.port(network, "both-1")
    await site.delete(first)

    async def is_with_the_other() -> bool:
        return site.vendors["fabric"].vlans().keys() == {second["id"]}

    await site.eventually(is_with_the_other, "the vendor that lives")
    assert vendor.vlans().keys() == {first["id"]}

    await asyncio.to_thread(vendor.process.start)
    await site.active(second["id"])

    async def is_true() -> bool:
        return vendor.vlans() == site.vendors["fabric"].vlans()

    await site.eventually(is_true, "the switch of the vendor that is back")
