"""Events: a snapshot, the mark that it is complete, then the last state of what changed."""

from __future__ import annotations

import asyncio
import threading

import pytest
from jackfield_sdk import Action, Backend, BackendHealth, Kind, MechanismDriver
from jackfield_sdk.testing import a_network, a_port, running


class Watched(MechanismDriver):
    name = "watched"

    def backends(self):
        return [Backend("leaf1", "1")]

    async def delete_port_postcommit(self, context):
        return None


@pytest.fixture
def driver():
    return Watched()


@pytest.fixture
async def core(driver, tmp_path):
    async with running(driver, tmp_path, heartbeat_interval=0.05) as core:
        yield core


async def until(stream, kind):
    """Read a stream up to and with the first event of a kind; heartbeats only if they are wanted."""
    events = []
    async with asyncio.timeout(30):
        async for event in stream:
            what = event.WhichOneof("event")
            if what == kind or what != "heartbeat":
                events.append(event)
            if what == kind:
                return events
    raise AssertionError(f"the stream ended without {kind}")


async def test_a_watcher_gets_a_snapshot_and_then_what_changes(driver, core):
    """Backends and known ports come first, and sequence numbers have no gaps."""
    driver.events.port("port-1", up=True, revision=3)
    stream = core.watch()

    backend, port, in_sync = await until(stream, "in_sync")
    assert (backend.backend.id, port.port_status.port_id, port.port_status.up) == ("leaf1", "port-1", True)
    assert port.port_status.observed_revision == 3
    driver.events.backend(Backend("leaf1", "2", BackendHealth.DOWN, "it was wiped"))
    (changed,) = await until(stream, "backend")
    assert (changed.backend.epoch, changed.backend.message) == ("2", "it was wiped")
    driver.events.drift(Kind.PORT, "port-1", "VLAN 7 is missing")
    (drift,) = await until(stream, "drift")
    assert (drift.drift.id, drift.drift.message) == ("port-1", "VLAN 7 is missing")
    driver.events.cable("host-1", "eth0", "leaf1", "Ethernet1")
    (cable,) = await until(stream, "topology")
    assert (cable.topology.host, cable.topology.switch_port) == ("host-1", "Ethernet1")
    assert backend.sequence == 1
    assert in_sync.sequence == 3
    assert backend.observe_time.seconds > 0


async def test_only_the_last_state_of_a_port_is_sent(driver, core):
    """A port that flaps while nobody reads costs one event. Emitting works from any thread."""
    stream = core.watch()
    await until(stream, "in_sync")

    def flap():
        for number in range(1_000):
            driver.events.port("port-1", up=number % 2 == 1, reason=str(number))

    thread = threading.Thread(target=flap)
    thread.start()
    thread.join()
    driver.events.drift(Kind.PORT, "end", "")

    statuses = [event.port_status for event in await until(stream, "drift") if event.HasField("port_status")]
    assert len(statuses) < 100
    assert (statuses[-1].up, statuses[-1].reason) == (True, "999")


async def test_a_quiet_stream_has_a_heartbeat(core):
    """The core tells a quiet driver from a dead one."""
    stream = core.watch()
    await until(stream, "in_sync")

    (heartbeat,) = await until(stream, "heartbeat")

    assert heartbeat.heartbeat.queue_depth == 0


async def test_a_watcher_of_networks_hears_nothing_of_ports(driver, core):
    """Kinds filter what belongs to a resource."""
    driver.events.port("port-1", up=True)

    events = await until(core.watch(Kind.NETWORK), "in_sync")

    assert [event.WhichOneof("event") for event in events] == ["backend", "in_sync"]


async def test_a_deleted_port_leaves_the_snapshot(driver, core):
    """The emitter forgets it when the delete is done."""
    network = a_network()
    port = a_port(network)
    driver.events.port(port.id, up=True)

    await core.postcommit(Action.DELETE, port, network=network)

    events = await until(core.watch(), "in_sync")
    assert [event.WhichOneof("event") for event in events] == ["backend", "in_sync"]


async def test_a_watcher_does_not_keep_the_driver_from_stopping(driver, tmp_path):
    """The stream ends by itself when the driver drains."""
    async with running(driver, tmp_path) as core:
        stream = core.watch()
        await until(stream, "in_sync")
        async with asyncio.timeout(30):
            await core.server.stop(grace=1)
            assert [event async for event in stream] == []
