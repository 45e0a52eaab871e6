"""A driver that is killed in the middle of an edit leaves nothing that the next one cannot put right."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio
import pytest
from arista_site import Site, Switch, a_vlan, deleted, failure, named, plugged, until, until_done
from jackfield_sdk.testing import Core, Wanted
from lxml import etree
from support.netconf.refusals import RpcError
from support.netconf.switch import missing_requirements
from support.processes import Process, accepts
from support.waiting import wait_until

real = pytest.param(
    "netconfd", marks=pytest.mark.skipif(bool(missing_requirements()), reason=", ".join(missing_requirements()))
)


@pytest.mark.parametrize("kind", ["fake", real])
async def test_a_driver_that_is_killed_between_an_edit_and_its_commit_is_no_harm(site: Site, kind: str):
    """The switch holds a candidate and a lock of the dead session, and the next process makes it true all the same."""
    switch: Switch = getattr(site, kind)()
    site.attach("host-1", "leaf1", "Ethernet1")
    site.write()
    first, second = plugged(a_vlan(7)), plugged(a_vlan(8))
    before = switch.running()
    driver = process(site)
    with driver:
        async with introduced(site) as core:
            await until_done(core, first)
            edits = len(switch.payloads)
            with pytest.raises(grpc.aio.AioRpcError):
                await kill_in_the_middle(core, switch, driver, edits, second)
        switch.resume()
        driver.start()
        async with introduced(site) as core:
            await until_done(core, first, second)
            seen = site.configuration()
            assert seen.port("Ethernet1").trunk_vlans == {7, 8}
            assert seen.vlans[8] == named(second.network)
            await until_done(core, deleted(first), deleted(second))

    assert switch.running() == before


async def test_what_the_last_process_could_not_save_is_saved_by_the_next(site: Site):
    """The change is true, nobody asks for it again, and yet it must survive a restart of the switch."""
    switch = site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    change = plugged(a_vlan(7))
    async with site.driver() as core:
        switch.faults.refuse("copy-config", RpcError("resource-denied", "flash is full"), times=1000)
        failed = await failure(core, change)
        assert failed.reason == "NOT_SAVED"
    switch.faults.clear()
    async with site.driver() as core:
        await core.handshake()

        async def is_saved() -> bool:
            return etree.tostring(switch.datastores.tree("startup")) == switch.running()

        await until(is_saved)
        copies = switch.operations.count("copy-config")
        await until_done(core, change)

    assert site.configuration().port("Ethernet1").trunk_vlans == {7}
    assert switch.operations.count("copy-config") == copies


async def kill_in_the_middle(core: Core, switch: Switch, driver: Process, edits: int, change: Wanted) -> None:
    """Stop the switch when it has the edit, and kill the driver then; raises what the call ends with."""

    async def watch() -> None:
        await asyncio.to_thread(wait_until, lambda: len(switch.payloads) > edits, what="an edit")
        switch.pause()
        driver.kill()

    watching = asyncio.create_task(watch())
    try:
        while True:
            await core.postcommit_all([change])
    finally:
        await watching


def process(site: Site) -> Process:
    socket = site.folder / "driver.sock"
    environment = os.environ | {
        "JACKFIELD_DRIVER_LISTEN": f"unix://{socket}",
        "JACKFIELD_ARISTA_INVENTORY": str(site.inventory_file),
        "JACKFIELD_ARISTA_STATE_DIRECTORY": str(site.folder / "state"),
        "JACKFIELD_ARISTA_RETRY_MIN": "0.1",
        "JACKFIELD_ARISTA_RETRY_MAX": "0.5",
    }
    command = [sys.executable, "-m", "jackfield_arista", "driver"]
    log = site.folder / "driver.log"
    return Process("arista", command, log=log, ready=accepts(socket), environment=environment, timeout=60)


@asynccontextmanager
async def introduced(site: Site) -> AsyncIterator[Core]:
    """Introduce a core to the driver of a process."""
    # A channel of its own connections: that the last process did not answer says nothing of the next one.
    options = [("grpc.default_authority", "localhost"), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"unix:{site.folder}/driver.sock", options=options) as channel:
        core = Core(channel)
        await core.handshake()
        yield core
