"""The stream itself: when it is open, and what comes over it that nobody expects."""

import time
from typing import Any

import grpc
import pytest
from jackfield.driver.v1 import event_pb2
from jackfield_core.events.mailbox import Mailbox
from jackfield_core.mechanism import observations
from jackfield_core.mechanism.answers import NoVerdict
from jackfield_core.mechanism.client import DriverClient
from jackfield_core.mechanism.observations import Pace


async def test_core_names_the_feature_and_asks_only_who_names_it_too(scene: Any) -> None:
    """The core says that it listens, and opens no stream at a driver that does not tell."""
    talker, silent = await scene.driver("a"), await scene.driver("b", features=["list_owned"])
    await scene.core(talker, silent)

    assert "watch" in talker.introductions[0].features
    assert (talker.watches, silent.watches) == (1, 0)


async def test_stream_is_opened_anew_when_it_ends(scene: Any, says: Any) -> None:
    """A stream that ends with any status is opened again, and goes on telling."""
    driver = await scene.driver()
    core = await scene.core(driver)
    port = await core.port(await core.network())
    await core.until_paid()

    driver.tell(grpc.StatusCode.INTERNAL)
    await scene.eventually(lambda: driver.watches == 2 and driver.listeners)
    driver.tell(says.port_status(port))

    await core.until_status(port, "ACTIVE")


async def test_stream_follows_an_upgrade(scene: Any, says: Any) -> None:
    """When a newer process takes over at the other endpoint, the core listens to that one and no more to the old."""
    old, new = await scene.driver(), await scene.driver(up=False)
    core = await scene.core(old, successor=new)
    port = await core.port(await core.network())
    await core.until_paid()

    await new.up()
    await scene.eventually(lambda: new.listeners and not old.listeners)
    new.tell(says.port_status(port))

    await core.until_status(port, "ACTIVE")


async def test_silent_stream_is_opened_anew(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that tells nothing, not even that the driver is alive, counts as broken."""
    monkeypatch.setattr(observations, "SILENCE", 0.2)
    driver = await scene.driver()
    await scene.core(driver)

    await scene.eventually(lambda: driver.watches >= 2)


async def test_undecodable_event_is_garbage(scene: Any) -> None:
    """Bytes that are no event end the stream and are counted as garbage."""
    driver = await scene.driver()
    core = await scene.core(driver)

    driver.tell(b"\xff\xff\xff")

    (error,) = await scene.eventually(lambda: core.garbage)
    assert "Watch" in error.text
    await scene.eventually(lambda: driver.watches >= 2)


async def test_what_a_newer_driver_says_is_ignored(scene: Any, says: Any) -> None:
    """Events that this release does not know, and those that name nothing, change nothing."""
    driver = await scene.driver()
    core = await scene.core(driver)
    port = await core.port(await core.network())
    await core.until_paid()
    cable = event_pb2.Topology(host="h", interface="eth0", switch_id="s", switch_port="1")

    driver.tell(
        b"\xfa\x06\x03new",
        says.drift("unspecified", port.id),
        says.backend("", id=""),
        event_pb2.WatchResponse(port_status=event_pb2.PortStatus(port_id="x" * 100, up=True)),
        event_pb2.WatchResponse(topology=cable),
        event_pb2.WatchResponse(heartbeat=event_pb2.Heartbeat(queue_depth=3)),
        says.port_status(port),
    )

    await core.until_status(port, "ACTIVE")
    assert driver.watches == 1
    assert core.garbage == []


async def test_flood_costs_one_place_for_each_object() -> None:
    """However often something is told, it waits once, in its last state."""
    mailbox: Mailbox[int] = Mailbox(room=2)
    for number in range(1000):
        await mailbox.put(number % 2, number)

    batch = mailbox.first(10)
    await mailbox.put(0, 1000)
    mailbox.done(batch)

    assert batch == [(0, 998), (1, 999)]
    assert mailbox.first(10) == [(0, 1000)]


def test_pace_lets_a_burst_through_and_then_bounds_the_rate() -> None:
    """After a burst every event has to wait for its share, and a big one for that of many."""
    started = time.monotonic()
    pace = Pace(rate=100, burst=50)

    assert all(pace.step(1) == 0 for _ in range(50))
    late = [pace.step(1) for _ in range(100)][-1]

    # What has come back since the beginning is given too.
    assert 1.0 - (time.monotonic() - started) - 0.001 <= late <= 1.0
    assert pace.step(1000) > 10


async def test_closed_connection_gives_no_stream(scene: Any) -> None:
    """A connection that was closed just before is one without a verdict, like any that broke."""
    driver = await scene.driver()
    client = DriverClient("a", driver.endpoint)
    await client.close()

    with pytest.raises(NoVerdict) as nothing:
        [observation async for observation in observations.observe(client)]

    assert not nothing.value.attempted
