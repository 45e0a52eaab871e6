"""A real driver process is stopped, woken, killed and replaced."""

import asyncio
import sys

import pytest
from jackfield_core.errors import DriverRejected, DriverUnavailable
from support.processes import Process, accepts


@pytest.fixture
async def loopback(world):
    """Run the loopback driver, which refuses networks called "blue", as a process of its own."""
    path = world.folder / "l.sock"
    process = Process(
        "loopback",
        [
            sys.executable, "-m", "jackfield_sdk.examples.loopback", "--name", "fabric",
            "--listen", f"unix://{path}", "--refuse-network-name", "blue",
        ],
        log=world.folder / "l.log",
        ready=accepts(path),
    )  # fmt: skip
    await asyncio.to_thread(process.start)
    yield process
    await asyncio.to_thread(process.stop)


@pytest.fixture
async def core(world, loopback):
    """Start a core that requires the loopback driver."""
    fabric = await world.driver("fabric", start=False)
    fabric.endpoint = f"unix://{world.folder}/l.sock"
    return await world.core(
        fabric,
        health_interval=0.2,
        health_timeout=0.5,
        handshake_timeout=0.5,
        reconnect_interval=0.2,
        precommit_budget=0.3,
    )


async def test_stopped_process_is_noticed_and_found_again(world, rows, core, loopback):
    """A process that is stopped costs one budget, then nothing, and works when woken."""
    entry = core.registry.entry("fabric")
    loopback.suspend()
    with pytest.raises(DriverUnavailable):
        await core.manager.precommit([rows.create_network()])

    await world.eventually(lambda: not entry.is_ready)
    for _ in range(20):
        with pytest.raises(DriverUnavailable, match=r"it is (breaker-open|connecting)"):
            await core.manager.precommit([rows.create_network()])

    loopback.resume()
    async with asyncio.timeout(30):
        await entry.ready.wait()
    with pytest.raises(DriverRejected, match="blue"):
        await core.judged(rows.create_network())


async def test_killed_process_is_replaced(world, rows, core, loopback):
    """A killed process is gone at once, in spite of the socket it left; its successor is introduced and asked."""
    entry = core.registry.entry("fabric")
    first = entry.handshake.instance_id

    await asyncio.to_thread(loopback.kill)
    await world.eventually(lambda: not entry.is_ready)
    with pytest.raises(DriverUnavailable):
        await core.manager.precommit([rows.create_network()])

    await asyncio.to_thread(loopback.start)
    async with asyncio.timeout(30):
        await entry.ready.wait()
    assert entry.handshake.instance_id != first
    with pytest.raises(DriverRejected, match="blue"):
        await core.judged(rows.create_network())
