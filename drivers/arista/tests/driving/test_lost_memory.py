"""What a driver does that has lost its memory: what the switch itself shows of the lists of its trunks is enough."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from arista_site import Site, a_vlan, by_hand, deleted, drift_in, plugged, until_done, watching
from jackfield_arista.configuration.edit import Edit, PortChange
from jackfield_arista.configuration.model import Mode, SwitchPort, vlans_of
from jackfield_sdk.testing import Core, Wanted
from structlog.testing import capture_logs

BARE = SwitchPort("Ethernet1")


@pytest.mark.parametrize("before", [(), ("30", "40..49")])
async def test_a_list_that_is_emptied_after_the_memory_was_lost_is_drift_as_well(site: Site, before: tuple[str, ...]):
    """The new memory has seen the list with ours on it, and what was on it beside; that is what the port gets back."""
    site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    if before:
        write(site, listed(*before))
    change = plugged(a_vlan(7))
    async with remembering_nothing_of(site, change) as core:
        await until_done(core, change)
        await is_drift(site, core, change)
        assert site.configuration().port("Ethernet1").trunk_vlans == {7} | vlans_of(before)
        await until_done(core, deleted(change))

    assert site.configuration().port("Ethernet1") == (listed(*before) if before else BARE)


async def test_a_list_of_the_operator_that_needed_nothing_of_ours_is_drift_when_it_is_emptied(site: Site):
    """A range that has our number already is not edited, and yet it is remembered that there was a list."""
    switch = site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    site.attach("host-2", "leaf1", "Ethernet2")
    network = a_vlan(7)
    first, change = plugged(network, "host-2"), plugged(network)
    write(site, listed("1..99"))
    untouched = switch.running()
    async with site.driver(poll_interval=0.2) as core:
        await until_done(core, first)
        await until_done(core, change)
        await is_drift(site, core, change)
        assert site.configuration().port("Ethernet1") == listed("1..99")
        await until_done(core, deleted(change), deleted(first))

    assert switch.running() == untouched


async def test_a_range_of_the_operator_stays_whole_after_the_memory_was_lost(site: Site):
    """Nothing is cut out of it when our VLAN goes: what we put on a list is a single number."""
    switch = site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    write(site, listed("1..99"))
    untouched, change = switch.running(), plugged(a_vlan(7))
    async with remembering_nothing_of(site, change) as core:
        await until_done(core, change)
        await until_done(core, deleted(change))

    assert switch.running() == untouched


async def test_what_was_ours_before_the_memory_was_lost_is_not_taken_for_the_operators(site: Site):
    """A list is not remembered with our numbers on it because of an edit that brings another one."""
    site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    old, new = plugged(a_vlan(7)), plugged(a_vlan(8))
    async with remembering_nothing_of(site, old) as core:
        await core.postcommit_all([old, new])
        await until_done(core, old, new)
        assert site.configuration().port("Ethernet1").trunk_vlans == {7, 8}
        await until_done(core, deleted(old), deleted(new))

    assert site.configuration().port("Ethernet1") == BARE


async def test_a_list_that_was_emptied_before_the_new_memory_saw_it_is_said(site: Site):
    """Nothing on the switch tells it from a trunk that never had one, so it stays, and the operator reads of it."""
    site.fake(uplinks=["Ethernet3"])
    site.attach("host-1", "leaf1", "Ethernet1")
    change = plugged(a_vlan(7))
    async with site.driver() as core:
        await until_done(core, change)
    for name in ("Ethernet1", "Ethernet3"):
        write(site, SwitchPort(name, Mode.TRUNK))
    shutil.rmtree(site.folder / "state")
    with capture_logs() as logs:
        async with site.driver() as core:
            await until_done(core, change)

    (said,) = [line for line in logs if line["event"] == "switch.lists_unknown"]
    assert (said["switch"], said["ports"], said["log_level"]) == ("leaf1", ["Ethernet1"], "warning")
    assert "nobody knows" in said["reason"]
    assert site.configuration().port("Ethernet1").carries_all


@asynccontextmanager
async def remembering_nothing_of(site: Site, change: Wanted) -> AsyncIterator[Core]:
    """Have a driver make a change, and serve another one that has lost the memory of it."""
    async with site.driver() as core:
        await until_done(core, change)
    shutil.rmtree(site.folder / "state")
    async with site.driver(poll_interval=0.2) as core:
        yield core


async def is_drift(site: Site, core: Core, change: Wanted) -> None:
    """Empty the list that a change is on by hand, and see that it is told and made again."""
    events = await watching(core)
    made = site.configuration().port("Ethernet1")
    write(site, replace(made, trunk_vlans=frozenset(), entries=()))
    assert await drift_in(events) == change.current.id
    await until_done(core, change)


def listed(*entries: str) -> SwitchPort:
    return SwitchPort("Ethernet1", Mode.TRUNK, trunk_vlans=vlans_of(entries), entries=entries)


def write(site: Site, port: SwitchPort) -> None:
    """Have an operator write the list of a trunk."""
    by_hand(site, Edit(ports={port.name: PortChange(site.configuration().port(port.name), port)}))
