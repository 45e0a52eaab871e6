"""Several cores over one PostgreSQL."""

import asyncio
from collections import Counter
from typing import Any

from jackfield_core.db.engine import Database
from jackfield_core.db.network import table as networks
from jackfield_core.db.port import table as ports


async def test_two_dispatchers_never_send_the_same_debt_twice(other_database: Database, scene: Any) -> None:
    """Claims exclude each other: every revision is told once, and one at a time per resource."""
    driver = await scene.raw_driver(max_batch=5)
    in_flight: Counter[str] = Counter()
    overlaps: list[str] = []

    async def watch(request: Any, context: Any) -> Any:
        ids = [change.id for change in request.changes]
        overlaps.extend(id for id in ids if in_flight[id])
        in_flight.update(ids)
        await asyncio.sleep(0.005)
        in_flight.subtract(ids)
        return await driver.good(request, context)

    driver.answer = watch
    cores = [await scene.core(driver), await scene.core(driver, database=other_database)]
    trees = [await cores[number % 2].network() for number in range(10)]
    made = [port for tree in trees for port in await cores[0].ports(tree, 20)]
    renamed = [await cores[number % 2].rename(port, "new") for number, port in enumerate(made[:40])]
    await cores[0].until_paid()
    for port in renamed:
        await cores[1].delete(port)
    await cores[0].until_paid()

    told = Counter((change.id, change.revision) for change in driver.told())
    assert set(told.values()) == {1}
    assert overlaps == []
    assert await cores[0].count(ports) == len(made) - len(renamed)


async def test_last_acknowledgements_in_two_processes_leave_nothing_behind(
    other_database: Database, scene: Any
) -> None:
    """Drivers that let go at the same moment, each told by another process, do not leave the purge to each other."""
    drivers = [await scene.driver(name) for name in ("a", "b")]
    cores = [
        await scene.core(*drivers, order_hold=0.001),
        await scene.core(*drivers, order_hold=0.001, database=other_database),
    ]
    trees = [await cores[0].network() for _ in range(20)]
    made = [await cores[1].port(tree) for tree in trees]
    for resource in (*made, *(tree.network for tree in trees)):
        await cores[0].delete(resource)
        cores[1].dispatcher.wake()
    await cores[0].until_paid()

    assert await cores[0].count(networks) == await cores[0].count(ports) == 0
