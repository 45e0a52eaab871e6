"""Compute services are told what happened to the ports of their servers, once, and in the end what is true."""

import asyncio
import random
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from jackfield_core import config
from jackfield_core.db.engine import Database
from jackfield_core.db.notice import decode
from jackfield_core.notify.notifiers import Notifiers

Site, Compute = Any, Any


async def test_the_life_of_a_port_is_told(site: Site, compute: Compute) -> None:
    """Plugged, changed, unplugged, deleted: each is told when it is true, with the server and the port."""
    await site.tell(compute)
    port = await site.port(await site.network())

    await site.raise_(port)
    await site.until_told()
    await site.readdress(port, "192.0.2.9")
    await site.until_told()
    await site.lower(port)
    await site.until_told()
    await site.delete(port)
    await site.until_told()

    assert compute.told(port) == [
        "network-vif-plugged", "network-changed", "network-vif-unplugged", "network-vif-deleted",
    ]  # fmt: skip
    assert await site.notices(owed=None) == []
    assert compute.requests[0] == [
        {"name": "network-vif-plugged", "server_uuid": port.device_id, "tag": port.id, "status": "completed"}
    ]


async def test_what_happened_in_between_is_told_as_far_as_it_counts(site: Site, compute: Compute) -> None:
    """A port that went down and came up again is plugged anew; one that came up and went down again is not."""
    network = await site.network()
    flapped, blinked, moved_back = await site.ports(network, 3)
    await site.raise_(flapped)
    await site.tell(compute, timeout=60.0)
    await site.until_told()
    go = asyncio.Event()

    async def turn_away_late(_events: Any) -> Any:
        await go.wait()
        return 503, {}

    # As long as one request waits for its answer, no other one can see what is over soon.
    compute.behave = turn_away_late
    await site.raise_(blinked)
    await site.eventually(lambda: compute.sent(blinked))

    await site.lower(blinked)
    await site.lower(flapped)
    await site.raise_(flapped)
    await site.readdress(moved_back, "192.0.2.9")
    await site.update(moved_back, fixed_ips=())
    compute.behave = compute.answer
    go.set()
    await site.until_told()

    assert compute.told(flapped) == ["network-vif-plugged"] * 2
    assert compute.told(blinked) == []
    assert compute.told(moved_back) == []


async def test_a_port_that_changes_while_it_is_told_is_told_again(site: Site, compute: Compute) -> None:
    """What happens during a request is owed by it; what it told is not told twice."""
    port = await site.port(await site.network())
    seen, go = asyncio.Event(), asyncio.Event()

    async def wait_and_answer(events: Any) -> Any:
        seen.set()
        await go.wait()
        return compute.answer(events)

    compute.behave = wait_and_answer
    await site.raise_(port)
    await site.tell(compute)
    await seen.wait()
    await site.readdress(port, "192.0.2.9")
    await site.delete(port)
    go.set()
    await site.until_told()

    assert compute.told(port) == ["network-vif-plugged", "network-vif-deleted"]
    assert await site.notices(owed=None) == []


async def test_a_port_that_lived_and_died_unseen_ends_clean(site: Site, compute: Compute) -> None:
    """Of a port that was deleted before anybody could be told, the end is told and nothing else."""
    port = await site.port(await site.network())
    await site.raise_(port)
    await site.delete(port)

    await site.tell(compute)
    await site.until_told()

    assert compute.told(port) == ["network-vif-deleted"]
    assert await site.notices(owed=None) == []


async def test_a_port_that_went_to_another_server_is_told_to_both(site: Site, compute: Compute) -> None:
    """The one that it left reads its ports anew; the one that has it is told when it is up."""
    port = await site.port(await site.network())
    await site.raise_(port)
    await site.tell(compute)
    await site.until_told()

    other = str(uuid.uuid4())
    await site.update(port, device_id=other)
    await site.until_told()

    assert [(event["name"], event["server_uuid"]) for event in compute.requests[-1]] == [
        ("network-vif-unplugged", port.device_id),
        ("network-changed", port.device_id),
        ("network-vif-plugged", other),
    ]


async def test_many_ports_share_requests(site: Site, compute: Compute) -> None:
    """What is owed of hundreds of ports is told in batches, each port once."""
    ports = await site.ports(await site.network(), 250)
    await site.raise_(*ports)

    await site.tell(compute, batch=100)
    await site.until_told()

    assert len(compute.requests) == 3
    assert {tuple(compute.told(port)) for port in ports} == {("network-vif-plugged",)}


async def test_replicas_share_the_work(site: Site, compute: Compute, database_url: str) -> None:
    """Two processes tell every port once between them."""
    ports = await site.ports(await site.network(), 60)
    settings = config.Settings(
        notifiers=[config.Notifier(name="nova", url=compute.url, batch=7)],
        dispatcher=config.Dispatcher(poll_interval=0.1),
    )
    second = Database(config.Database(url=database_url), settings.notifier_names)
    replica = Notifiers(second, settings)
    try:
        await site.tell(compute, batch=7)
        replica.start()
        await site.raise_(*ports)
        await site.until_told()
    finally:
        await replica.stop()
        await second.close()

    assert sorted(tag for _, tag in compute.accepted) == sorted(port.id for port in ports)


async def test_a_restart_loses_nothing_and_repeats_nothing(site: Site, compute: Compute) -> None:
    """What was told stays told over a restart, and what was not is told after it."""
    told, late = await site.ports(await site.network(), 2)
    first = await site.tell(compute)
    await site.raise_(told)
    await site.until_told()
    await first.stop()

    await site.raise_(late)
    await site.readdress(told, "192.0.2.9")
    await site.tell(compute)
    await site.until_told()

    assert compute.told(told) == ["network-vif-plugged", "network-changed"]
    assert compute.told(late) == ["network-vif-plugged"]


async def test_a_process_that_stops_in_a_request_gives_back_what_it_was_telling(site: Site, compute: Compute) -> None:
    """Whoever comes next need not wait for the end of a lease."""
    port = await site.port(await site.network())
    compute.behave = lambda _events: None
    first = await site.tell(compute)
    await site.raise_(port)
    await site.eventually(lambda: compute.requests)

    await first.stop(grace=0.0)
    row = await site.notice(port)
    assert (row.owed, row.claim, row.leased_until, row.attempts) == (True, None, None, 0)

    compute.behave = compute.answer
    await site.tell(compute)
    await site.until_told()
    assert compute.told(port) == ["network-vif-plugged"]


async def test_a_process_that_comes_too_late_changes_nothing(
    site: Site, compute: Compute, database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    """An answer that arrives after the lease is not written over what another process has told since."""
    port = await site.port(await site.network())
    seen, go = asyncio.Event(), asyncio.Event()

    async def answer_late(events: Any) -> Any:
        seen.set()
        await go.wait()
        return 200, {"events": [{**event, "code": 200} for event in events]}

    compute.behave = answer_late
    await site.raise_(port)
    late = await site.tell(compute)
    await seen.wait()
    async with database.writing() as connection:
        await connection.exec_driver_sql("UPDATE delivery SET leased_until = '2000-01-01 00:00:00'")
    compute.behave = compute.answer
    await site.tell(compute)
    await site.until_told()
    await site.lower(port)
    await site.until_told()

    go.set()
    await late.stop()

    assert not decode((await site.notice(port)).state).is_active
    assert compute.told(port) == ["network-vif-plugged", "network-vif-unplugged"]
    assert "notifier.lease_lost" in "".join(capfd.readouterr())


async def test_a_token_is_sent_and_can_be_exchanged(site: Site, compute: Compute, tmp_path: Path) -> None:
    """The file with the token is read for every request."""
    token = tmp_path / "token"
    token.write_text("first\n")
    first, second = await site.ports(await site.network(), 2)
    await site.tell(compute, token_file=token)
    await site.raise_(first)
    await site.until_told()

    token.write_text("second\n")
    await site.raise_(second)
    await site.until_told()

    assert compute.tokens == ["first", "second"]


async def test_in_the_end_what_was_told_is_what_is_true(site: Site, compute: Compute, database_url: str) -> None:
    """However ports flap while two processes tell of them, the last thing told of each is how it is."""
    ports = await site.ports(await site.network(), 40)
    settings = config.Settings(
        notifiers=[config.Notifier(name="nova", url=compute.url, batch=9)],
        dispatcher=config.Dispatcher(poll_interval=0.05, backoff_first=0.02),
    )
    second = Database(config.Database(url=database_url), settings.notifier_names)
    replica = Notifiers(second, settings)
    fortune = random.Random(7)

    async def flap(some: Sequence[Any]) -> None:
        for _ in range(12):
            lucky = fortune.sample(some, 15)
            await (site.raise_ if fortune.random() < 0.5 else site.lower)(*lucky)
            await site.readdress(fortune.choice(some), f"192.0.2.{fortune.randrange(1, 255)}")

    compute.behave = lambda events: (500, b"") if fortune.random() < 0.1 else compute.answer(events)
    try:
        await site.tell(compute, batch=9)
        replica.start()
        await asyncio.gather(flap(ports[:20]), flap(ports[20:]))
        await site.until_told()
    finally:
        await replica.stop()
        await second.close()

    for port in ports:
        statuses = [name for name in compute.told(port) if name != "network-changed"]
        assert (statuses[-1:] == ["network-vif-plugged"]) is ((await site.find(port)).status == "ACTIVE")
