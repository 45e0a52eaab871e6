"""What is leaving may be asked back, and heard of, at the same moment.

Only PostgreSQL runs two transactions side by side; on SQLite one waits for the
other to end.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import pytest
import sqlalchemy as sa
from jackfield_core.db.engine import Database
from jackfield_core.db.forgetting import forget_kinds
from jackfield_core.db.leaving import LeavingTable
from jackfield_core.db.leaving import table as leaving_rows
from jackfield_core.db.port import Port
from jackfield_core.db.port import table as port_rows
from jackfield_core.db.segment import table as segment_rows
from jackfield_core.db.subnet import table as subnet_rows
from jackfield_core.db.unit_of_work import Tables, Transaction
from jackfield_core.errors import Conflict
from jackfield_core.types import Kind
from support.silent_cloud import CTX, MAC, Cloud

PATIENCE = 60.0
"""Seconds until something else has gone wrong."""
_WAITING = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


class Meanwhile:
    """Something that begins while somebody else is in the middle of a transaction, and ends or waits for that."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._task: asyncio.Task[None] | None = None

    async def happens(self, action: Callable[[], Awaitable[None]]) -> None:
        """Begin, once; return when it is over or waits for a lock."""
        if self._task is not None:
            return
        self._task = asyncio.ensure_future(action())
        async with asyncio.timeout(PATIENCE):
            while not (self._task.done() or await self._is_waited()):
                await asyncio.sleep(0.01)

    async def is_over(self) -> None:
        """Wait for its end."""
        assert self._task is not None
        await asyncio.wait_for(self._task, PATIENCE)

    async def _is_waited(self) -> bool:
        async with self._database.reading() as connection:
            return bool((await connection.execute(_WAITING)).scalar_one())


@pytest.fixture
def meanwhile(database: Database) -> Meanwhile:
    """Leave out databases whose transactions never meet."""
    if not database.is_postgresql:
        pytest.skip("one transaction waits for the other")
    return Meanwhile(database)


async def _left_behind(cloud: Cloud, network_id: str) -> Port:
    """Create a port that has let go of 192.0.2.5, of which "b" has yet to hear."""
    port = await cloud.port(network_id, "192.0.2.5", MAC.format(1))
    for driver in "ab":
        await cloud.pay(driver)
    await cloud.readdress(port.id, "192.0.2.6")
    await cloud.pay("a")
    return port


def _during_assignment(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, action: Callable[[], Awaitable[None]]) -> None:
    """Do something each time a port holds its row, and has looked at what it may have back."""
    assign = cloud.ports._allocator.assign

    async def interrupted(*args: Any, **kwargs: Any) -> Any:
        await action()
        return await assign(*args, **kwargs)

    monkeypatch.setattr(cloud.ports._allocator, "assign", interrupted)


async def test_an_address_comes_back_while_the_last_driver_hears(
    cloud: Cloud, network_id: str, meanwhile: Meanwhile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The port that takes it back has it, and no other port gets it as well."""
    port = await _left_behind(cloud, network_id)
    with monkeypatch.context() as patch:
        _during_assignment(cloud, patch, lambda: meanwhile.happens(lambda: cloud.pay("b")))
        await cloud.readdress(port.id, "192.0.2.5")
        await meanwhile.is_over()

    for driver in "ab":
        await cloud.pay(driver)

    assert [one.ip_address for one in (await cloud.ports.get(CTX, port.id)).fixed_ips] == ["192.0.2.5"]
    with pytest.raises(Conflict, match="already allocated"):
        await cloud.port(network_id, "192.0.2.5", MAC.format(2))
    assert await cloud.held(network_id) == {"192.0.2.5", MAC.format(1)}


async def test_an_address_comes_back_while_a_driver_loses_interest(
    cloud: Cloud, network_id: str, database: Database, meanwhile: Meanwhile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that wants to hear of ports no more frees nothing that its port is about to have again."""

    async def lose_interest() -> None:
        async with database.writing() as connection:
            await forget_kinds(Tables(connection), "b", ["port"], (), ())

    port = await _left_behind(cloud, network_id)
    with monkeypatch.context() as patch:
        _during_assignment(cloud, patch, lambda: meanwhile.happens(lose_interest))
        await cloud.readdress(port.id, "192.0.2.5")
        await meanwhile.is_over()

    for driver in "ab":
        await cloud.pay(driver)

    with pytest.raises(Conflict, match="already allocated"):
        await cloud.port(network_id, "192.0.2.5", MAC.format(2))
    assert await cloud.held(network_id) == {"192.0.2.5", MAC.format(1)}


async def test_an_update_that_nobody_hears_of_in_the_middle_of_an_acknowledgement(
    cloud: Cloud, network_id: str, creditors: Any, meanwhile: Meanwhile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it lets go of is free when the port has been told once more: that outcome looked for it too early."""
    port = await cloud.port(network_id, "192.0.2.5", MAC.format(1))
    await cloud.pay("b")
    creditors.drivers = ()
    look = LeavingTable.networks

    async def interrupted(self: LeavingTable, ids: Collection[str]) -> set[str]:
        found = await look(self, ids)
        await meanwhile.happens(lambda: cloud.readdress(port.id, "192.0.2.6"))
        return found

    monkeypatch.setattr(LeavingTable, "networks", interrupted)
    with pytest.raises(AssertionError, match="refused"):
        await cloud.pay("a")
    await meanwhile.is_over()
    await cloud.pay("a")

    assert await cloud.held(network_id) == {"192.0.2.6", MAC.format(1)}


@pytest.mark.parametrize("waits", ["segment", "subnet"])
async def test_the_last_two_ports_end_at_the_same_moment(
    cloud: Cloud, network_id: str, creditors: Any, meanwhile: Meanwhile, monkeypatch: pytest.MonkeyPatch, waits: str
) -> None:
    """What waited for both is free afterwards, although nobody hears of the end of either."""
    ports = [await cloud.port(network_id, f"192.0.2.{number}", MAC.format(number)) for number in (5, 6)]
    (subnet,) = {one.subnet_id for port in ports for one in port.fixed_ips}
    vlan = await cloud.segment(network_id, 102)
    for driver in "ab":
        await cloud.pay(driver)
    for port in ports:
        await cloud.readdress(port.id, "")
    if waits == "segment":
        await cloud.segments.delete(CTX, vlan)
    else:
        await cloud.subnets.delete(CTX, subnet)
    await cloud.put_off(Kind.PORT)
    for driver in "ab":
        await cloud.pay(driver)
    assert await cloud.count(segment_rows) == 2 if waits == "segment" else await cloud.count(subnet_rows) == 1
    monkeypatch.setattr(creditors, "declined", lambda kind, _action: "ab" if kind is Kind.PORT else ())
    finish = Transaction.finish

    async def interrupted(self: Transaction) -> None:
        await finish(self)
        await meanwhile.happens(lambda: cloud.ports.delete(CTX, ports[1].id))

    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "finish", interrupted)
        await cloud.ports.delete(CTX, ports[0].id)
        await meanwhile.is_over()

    assert [await cloud.count(table) for table in (leaving_rows, port_rows)] == [0, 0]
    assert await cloud.count(segment_rows) == 1 if waits == "segment" else await cloud.count(subnet_rows) == 0
