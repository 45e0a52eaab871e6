"""Notices are owed in the transaction of what happens to a port, and cost others nothing."""

from typing import Any

import pytest
from jackfield_core import config
from jackfield_core.db.ending import EndTable
from jackfield_core.db.engine import Database
from jackfield_core.db.notice import NO_VIF, decode
from jackfield_core.db.unit_of_work import UnitOfWork
from jackfield_core.types import Wiring

Site = Any


async def test_a_port_of_a_server_that_turns_active_is_owed(site: Site) -> None:
    """The row begins with what was true before, and the status is not part of any revision of the port."""
    port = await site.port(await site.network())
    assert await site.notices(owed=None) == []

    await site.raise_(port)

    (row,) = await site.notices()
    told = decode(row.state)
    assert (row.resource_id, told.server, told.is_active, told.activations) == (port.id, port.device_id, False, 0)
    assert (row.desired_revision, row.acknowledged_revision, row.tombstone) == (1, None, False)


async def test_what_goes_on_happening_is_one_debt(site: Site) -> None:
    """A row counts what happens to its port, and what was told of last stays as it was."""
    port = await site.port(await site.network())
    await site.raise_(port)
    await site.lower(port)
    await site.raise_(port)
    await site.readdress(port, "192.0.2.9")

    (row,) = await site.notices()

    assert row.desired_revision == 4
    assert decode(row.state).activations == 0
    assert (await site.find(port)).vif.activations == 2


@pytest.mark.parametrize(
    "columns",
    [
        {"device_owner": "network:dhcp"},
        {"device_owner": "", "device_id": ""},
        {"device_id": ""},
        {"device_id": "not a server"},
    ],
)
async def test_ports_of_nobody_s_server_are_owed_to_nobody(site: Site, columns: dict[str, str]) -> None:
    """Only what a compute service can know is told: its server has a UUID, and the port names it as its owner."""
    port = await site.port(await site.network(), **columns)
    await site.raise_(port)
    await site.readdress(port, "192.0.2.9")
    await site.delete(port)

    assert await site.notices(owed=None) == []


async def test_changes_that_no_server_sees_are_not_owed(site: Site) -> None:
    """A name is nothing that a compute service keeps, and a report that changes nothing neither."""
    port = await site.port(await site.network())
    await site.update(port, name="other")
    await site.report(Wiring.DOWN, port)

    assert await site.notices(owed=None) == []


async def test_a_server_that_takes_or_leaves_a_port_is_noted(site: Site) -> None:
    """A change of the device is owed, because the old one may have to be told."""
    port = await site.port(await site.network())

    await site.update(port, device_id="", device_owner="")

    (row,) = await site.notices()
    assert decode(row.state).server == port.device_id
    assert (await site.find(port)).vif == NO_VIF


async def test_no_resource_stays_for_a_notice(site: Site) -> None:
    """A deleted port is gone with all that it held, and its end is owed all the same."""
    network = await site.network()
    port = await site.port(network)
    await site.raise_(port)

    await site.delete(port)

    assert await site.find(port) is None
    (row,) = await site.notices()
    assert row.tombstone
    assert decode(row.original).server == port.device_id
    again = await site.port(network, mac_address=port.mac_address)
    assert (await site.find(again)).mac_address == port.mac_address


async def test_a_port_that_waits_for_a_driver_is_purged_when_that_is_paid(
    site: Site, creditors: Any, unit_of_work: UnitOfWork
) -> None:
    """An end that drivers are owed keeps the port; the notice beside it does not."""
    creditors.drivers = ["ovs"]
    port = await site.port(await site.network())
    await site.raise_(port)
    await site.delete(port)
    assert await site.find(port) is not None

    async with unit_of_work() as tx:
        claim = {"name": "c", "limit": 10, "lease": 60.0, "earlier": (), "later": (), "hold": 0.0}
        await tx.claims.claim("ovs", **claim)
        await tx.claims.acknowledge("c")
        await EndTable(tx.connection, ()).purge([port.network_id])

    assert await site.find(port) is None
    assert len(await site.notices()) == 1


async def test_what_is_rolled_back_is_not_owed(site: Site, unit_of_work: UnitOfWork) -> None:
    """A notice shares the fate of what it tells of."""
    port = await site.port(await site.network())

    async def raise_in_vain() -> None:
        async with unit_of_work() as tx:
            await tx.ports.hold([port.id])
            await tx.connection.exec_driver_sql("UPDATE port_binding SET wiring = 'up'")
            assert await tx.ports.refresh_status([port.id], ())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await raise_in_vain()

    assert await site.notices(owed=None) == []


async def test_without_notifiers_nothing_is_read_or_written_for_them(
    database_url: str, rows: Any, creditors: Any, statements: Any
) -> None:
    """A port that turns ACTIVE costs one statement, and leaves no row in the ledger."""
    nobody = Database(config.Database(url=database_url))
    try:
        unit_of_work = UnitOfWork(nobody, creditors, lambda _change: b"", lambda _drivers: None)
        async with unit_of_work() as tx:
            network = rows.network()
            port = rows.port(network, device_owner="compute:nova", device_id="00000000-0000-0000-0000-000000000001")
            await tx.networks.add(network)
            await tx.ports.add(port)
            await tx.connection.exec_driver_sql("UPDATE port_binding SET wiring = 'up', vif_type = 'ovs'")
            async with statements(tx.connection) as seen:
                assert await tx.ports.refresh_status([port.id], ()) == [port.id]
            assert len(seen) == 1
        async with unit_of_work.reading() as tables:
            assert await tables.deliveries.list(owed=None) == []
    finally:
        await nobody.close()
