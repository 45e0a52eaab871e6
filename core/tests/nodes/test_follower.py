"""Changes that nobody announces in time, and the ways in which the feed finds them all the same."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa
from jackfield_core import config
from jackfield_core.db.engine import Database
from jackfield_core.nodes import follower
from jackfield_core.nodes.service import NodeService

BULK = 2500
"""Hosts that one transaction announces: more than the numbers that other transactions draw meanwhile."""


Start = Callable[[float], Awaitable[NodeService]]


@pytest.fixture
async def another(site: Any, tmp_path: Any) -> AsyncIterator[Start]:
    """What starts another process of the core, which is never woken and looks at the feed every so many seconds."""
    started: list[NodeService] = []

    async def start(poll_interval: float) -> NodeService:
        settings = config.Nodes(listen=f"unix://{tmp_path}/another.sock", poll_interval=poll_interval)
        service = NodeService(settings, site.fabric.unit_of_work, ["ovs"])
        await service.start()
        started.append(service)
        return service

    yield start
    for service in started:
        await service.stop()


async def test_lost_wake_up_costs_a_poll_interval(site: Any, another: Start) -> None:
    """A process that hears nothing of a commit finds it when it looks at the feed the next time."""
    network = await site.fabric.network()
    await site.fabric.port(network, "host1")
    agent = await site.synced("host1", service=await another(0.1))

    port = await site.fabric.port(network, "host1")
    await agent.until(lambda: port.id in agent.ports)

    assert len(agent.ports) == 2


async def test_agents_of_two_processes_reach_each_other(site: Any, another: Start) -> None:
    """An endpoint that dials one process appears in the views that the other one pushes."""
    network = await site.fabric.network()
    for host in ("host1", "host2"):
        await site.fabric.port(network, host)
    first = await site.synced("host1", service=await another(0.1), tunnel_ip="198.51.100.1")

    second = await site.synced("host2", tunnel_ip="198.51.100.2")
    await first.until(lambda: first.networks[network].endpoints)

    assert list(first.networks[network].endpoints) == ["198.51.100.2"]
    assert list(second.networks[network].endpoints) == ["198.51.100.1"]


async def test_agent_that_changes_the_process_is_not_told_what_was_before(site: Any, another: Start) -> None:
    """A process that has not polled yet looks at the feed before it compares with what the agent holds."""
    network = await site.fabric.network()
    await site.fabric.port(network, "host1")
    service = await another(300.0)
    first = await site.synced("host1", service=service)
    await site.fabric.port(network, "host1")
    second = await site.agent("host1")
    second.restore(first)
    await second.hello(known=second.versions)
    await second.sync()
    assert len(second.ports) == 2

    third = await site.agent("host1", service=service)
    third.restore(second)
    await third.hello(known=third.versions)
    push = await third.take()

    assert push.in_sync
    assert not push.removals
    assert not push.upserts


async def test_transaction_that_commits_after_later_ones_is_heard(site: Any, database: Database) -> None:
    """Its numbers were skipped, thousands of them, and are asked for until they turn up."""
    if not database.is_postgresql:
        pytest.skip("SQLite has one writer at a time")
    network, other = await site.fabric.network(), await site.fabric.network()
    port = await site.fabric.port(network, "host1")
    await site.fabric.port(other, "host1")
    agent = await site.synced("host1")

    async with site.fabric.unit_of_work() as tx:
        await tx.ports.purge([port.id])
        await tx.feed.add([(network, "host1"), *((network, f"nobody{number}") for number in range(BULK))])
        await site.fabric.resize(other, 1400)
        await agent.until(lambda: agent.networks[other].mtu == 1400)
        tx.touch(network, "host2")
    await agent.until(lambda: port.id not in agent.ports)

    assert set(agent.networks) == {other}


async def test_process_that_could_not_read_for_long_looks_at_everything(
    site: Any, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries that were removed before it saw them are no loss."""
    network = await site.fabric.network()
    await site.fabric.port(network, "host1")
    agent = await site.synced("host1")
    monkeypatch.setattr(follower, "BLIND_FOR", -1.0)

    async with database.writing() as connection:
        await connection.execute(sa.text("UPDATE network SET mtu = 1300"))
        await connection.execute(sa.text("DELETE FROM change_feed"))
    site.service.wake()
    await agent.until(lambda: agent.networks[network].mtu == 1300)

    assert len(agent.ports) == 1


async def test_process_that_could_not_read_for_long_looks_at_what_came_to_hosts(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that is new to a host is found too, although nothing held on that host leads to it."""
    network, new = await site.fabric.network(), await site.fabric.network()
    held = await site.fabric.port(network, "host1")
    agent = await site.synced("host1")
    monkeypatch.setattr(follower, "BLIND_FOR", -1.0)

    port = await site.fabric.port(new, "host1")
    site.service.wake()
    await agent.until(lambda: port.id in agent.ports)

    assert set(agent.networks) == {network, new}
    assert set(agent.ports) == {held.id, port.id}
