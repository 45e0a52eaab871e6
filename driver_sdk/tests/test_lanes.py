"""One resource at a time, newest revision wins, and quick hooks cost no tasks."""

from __future__ import annotations

import asyncio

from jackfield_sdk._servicer.batch import run_batch
from jackfield_sdk._servicer.held import Held
from jackfield_sdk._servicer.lanes import Lanes


async def test_who_comes_second_waits_and_others_do_not():
    """A lane is exclusive, in order, and one resource's own."""
    lanes, order = Lanes(), []
    await lanes.enter("a")

    async def work(resource, name):
        await lanes.enter(resource)
        order.append(name)
        lanes.leave(resource)

    waiting = [asyncio.create_task(work("a", "second")), asyncio.create_task(work("a", "third"))]
    await work("b", "other")
    assert order == ["other"]
    lanes.leave("a")
    await asyncio.gather(*waiting)

    assert order == ["other", "second", "third"]
    assert lanes._waiting == {}


async def test_a_waiter_that_gives_up_does_not_keep_the_lane():
    """Cancelled while waiting, or in the very moment of its turn, the next one still gets in."""
    lanes = Lanes()
    await lanes.enter("a")
    gives_up, waits = asyncio.create_task(lanes.enter("a")), asyncio.create_task(lanes.enter("a"))
    await asyncio.sleep(0)

    lanes.leave("a")
    gives_up.cancel()
    await asyncio.wait_for(waits, 30)
    lanes.leave("a")

    assert lanes._waiting == {}


def test_a_lower_revision_is_overruled_and_the_same_is_not():
    """A repair repeats the revision that is held."""
    held = Held()
    held.acknowledge("port", 5, delete=False)

    assert held.newer_than("port", 4, delete=False) == 5
    assert held.newer_than("port", 5, delete=False) is None
    assert held.newer_than("port", 6, delete=False) is None
    assert held.newer_than("other", 1, delete=False) is None


def test_a_delete_is_final_even_for_its_own_revision():
    """A late update of a deleted port must not bring it back; a repeated delete is done again."""
    held = Held()
    held.acknowledge("port", 5, delete=False)
    held.acknowledge("port", 5, delete=True)

    assert held.newer_than("port", 5, delete=False) == 5
    assert held.newer_than("port", 5, delete=True) is None
    assert held.newer_than("port", 4, delete=True) == 5


async def test_quick_work_stays_in_line_and_slow_work_goes_side_by_side():
    """The first slow item sends the rest of its run to workers, as many as allowed."""
    at_once, most = 0, 0

    async def work(item):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        if item >= 10:
            await asyncio.sleep(0.01)
        at_once -= 1
        return item

    results = await run_batch(range(30), work, run_of=lambda _: None, workers=4)

    assert results == list(range(30))
    assert most == 4


async def test_a_run_starts_when_the_one_before_it_has_ended():
    """Ports that hang on a network come after it, however slow it is."""
    log = []

    async def work(item):
        await asyncio.sleep(0.005 if item.startswith("network") else 0)
        log.append(item)

    items = ["network-1", "network-2", "port-1", "port-2"]
    await run_batch(items, work, run_of=lambda item: item.partition("-")[0], workers=4)

    assert sorted(log[:2]) == ["network-1", "network-2"]
    assert sorted(log[2:]) == ["port-1", "port-2"]


async def test_a_run_that_is_taken_together_begins_at_once():
    """However few workers there are, nobody waits for another one of the run; the next run waits for all."""
    together = asyncio.Barrier(20)
    log = []

    async def work(item):
        if item < 20:
            await together.wait()
        log.append(item)
        return item

    results = await run_batch(range(22), work, run_of=lambda item: item < 20, workers=1, together=True)

    assert results == list(range(22))
    assert set(log[20:]) == {20, 21}
