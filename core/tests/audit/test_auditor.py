"""Audits come by themselves, one at a time, and fail without harm."""

import asyncio
import contextlib
import time
from datetime import timedelta
from typing import Any

import grpc
import pytest
import sqlalchemy as sa
import sqlalchemy.exc
from jackfield.driver.v1 import reconcile_pb2
from jackfield_core.audit import perform as perform_module
from jackfield_core.audit.perform import LeaseLost, perform
from jackfield_core.db import driver_audit
from jackfield_core.db.base import now
from jackfield_core.db.driver_audit import DriverAuditTable
from jackfield_core.mechanism.answers import NoVerdict
from jackfield_core.types import Kind
from structlog.testing import capture_logs

STRANGER = "5c0a6f1e-0000-4000-8000-0000000000{:02}"


async def test_audit_stores_what_came_of_it(scene: Any) -> None:
    """Operators read when it was, what was listed, and what was done about it."""
    driver = await scene.driver()
    core = await scene.core(driver, orphan_limit=0, orphan_percent=0)
    _, (lost, spoiled, *_) = await core.world()
    driver.lose(lost)
    driver.spoil(spoiled)
    driver.keep(Kind.PORT, STRANGER.format(1))

    audit = await core.audit()

    assert (audit.outcome, audit.listed, audit.missing, audit.changed) == ("complete", 6, 1, 1)
    assert (audit.orphans, audit.held_orphans, audit.leased_until) == (0, 1, None)
    assert audit.started_at <= audit.finished_at <= now()
    assert audit == await core.last_audit()


async def test_driver_is_audited_after_the_interval(scene: Any) -> None:
    """The first audit comes at once, the next ones when the time has come; drift goes away by itself."""
    driver = await scene.driver()
    core = await scene.core(driver, interval=0.2)
    _, (lost, *_) = await core.world()
    await core.auditor.start()
    await scene.eventually(lambda: driver.listings >= 2)

    driver.lose(lost)

    await scene.eventually(lambda: (Kind.PORT, lost) in driver.held)


async def test_audit_comes_when_it_is_asked_for(scene: Any) -> None:
    """A request does not wait for the interval, and is answered once."""
    driver = await scene.driver()
    core = await scene.core(driver)
    await core.world()
    await core.auditor.start()
    await _until_audited(scene, core)
    before = driver.listings

    async with core.unit_of_work() as tx:
        await tx.audits.request("a")
    core.auditor.wake()

    await scene.eventually(lambda: driver.listings > before)
    await _until_audited(scene, core)
    await asyncio.sleep(0.1)
    assert driver.listings == before + 1


async def test_look_at_rest_costs_the_same_however_many_drivers_there_are(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether audits are due is read for all drivers at once."""
    drivers = [await scene.driver(name) for name in ("a", "b", "c", "d")]
    core = await scene.core(*drivers)
    await core.auditor.start()

    async def are_audited() -> bool:
        async with core.unit_of_work.reading() as tables:
            return [one.outcome for one in (await tables.audits.list()).values()] == ["complete"] * 4

    await scene.eventually(are_audited)
    looks, began = 0, time.monotonic()
    read = DriverAuditTable.list

    async def counted(table: DriverAuditTable) -> Any:
        nonlocal looks
        looks += 1
        return await read(table)

    monkeypatch.setattr(DriverAuditTable, "list", counted)
    await scene.eventually(lambda: looks > 20)

    # Each of the four looks every 20 ms, and anew when its audit has come to an end, which it may have only now.
    assert looks <= (time.monotonic() - began) / 0.018 + 1 + len(drivers)


async def test_operator_agrees_once(scene: Any) -> None:
    """The removal of many orphans is agreed to for those that are held, and not for ever."""
    driver = await scene.driver()
    core = await scene.core(driver, orphan_limit=0, orphan_percent=0)
    await core.world(1)
    await core.audit()
    strangers = [driver.keep(Kind.PORT, STRANGER.format(place)) for place in range(2)]

    assert (await core.audit()).held_orphans == 2
    assert await core.agree() == 2
    await core.until_paid()
    assert not {id for _, id in driver.held} & {*strangers}

    driver.keep(Kind.PORT, STRANGER.format(3))
    assert (await core.audit()).held_orphans == 1


async def test_new_epoch_is_audited_at_once(scene: Any) -> None:
    """A backend that was restored from a backup brings back what was deleted since then; that is found."""
    driver = await scene.driver()
    core = await scene.core(driver)
    await core.world()
    await core.auditor.start()
    await _until_audited(scene, core)
    await driver.down()
    stranger = driver.keep(Kind.PORT, STRANGER.format(1))
    driver.epoch = "2"
    await driver.up()

    await scene.eventually(lambda: (Kind.PORT, stranger) not in driver.held)


async def test_one_of_several_dispatchers_audits(scene: Any) -> None:
    """Who holds the lease audits; the others find the audit done."""
    if not scene.database.is_postgresql:
        pytest.skip("SQLite has room for one dispatcher")
    driver = await scene.driver()
    cores = [await scene.core(driver) for _ in range(3)]
    await cores[0].world()
    held = asyncio.Event()
    driver.in_listing = held.wait
    for core in cores:
        await core.auditor.start()
    await scene.eventually(lambda: driver.listings)
    await asyncio.sleep(0.2)
    held.set()
    await _until_audited(scene, cores[0])
    await asyncio.sleep(0.2)

    assert driver.listings == 1


async def test_audit_that_lost_its_lease_writes_nothing(scene: Any) -> None:
    """A process that slept while somebody else took over owes nobody anything, and does not tell what it found."""
    driver = await scene.driver()
    core = await scene.core(driver)
    _, (lost, *_) = await core.world()
    driver.lose(lost)

    async def take_over() -> None:
        async with core.database.writing() as connection:
            audits = DriverAuditTable(connection)
            await audits.end_leases()
            assert await audits.begin("a", 60, now())

    driver.in_listing = scene.once(take_over)
    with pytest.raises(LeaseLost):
        await core.audit()

    assert [row.owed for row in await core.rows_of(lost)] == [False]
    assert (await core.last_audit()).finished_at is None


async def test_audit_that_is_cut_off_is_begun_anew_at_once(scene: Any) -> None:
    """A process that stops in the middle leaves the audit, and the wish for it, to whoever comes next."""
    driver = await scene.driver()
    core = await scene.core(driver)
    await core.world(1)
    await core.audit()
    driver.in_listing = asyncio.Event().wait
    async with core.unit_of_work() as tx:
        await tx.audits.request("a")
    await core.auditor.start()
    await scene.eventually(lambda: driver.listings == 2)
    await core.auditor.stop()
    cut_off = await core.last_audit()
    assert (cut_off.requested_at, cut_off.finished_at < cut_off.started_at) == (None, True)

    driver.in_listing = driver.before_listing
    await core.auditor.start()

    await scene.eventually(lambda: driver.listings == 3)
    await _until_audited(scene, core)


async def test_an_outage_in_the_middle_of_an_audit_costs_it_no_lease(
    scene: Any, outage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease that could not be extended is extended when the database is there again, and the audit counts."""
    monkeypatch.setattr(perform_module, "LEASE", 0.3)
    driver = await scene.driver()
    core = await scene.core(driver)
    await core.world(1)

    async def database_is_away() -> None:
        with capture_logs() as logs, outage():
            await scene.eventually(lambda: "audit.lease_not_extended" in [line["event"] for line in logs])
        before = await scene.eventually(lambda: _lease(core))
        await scene.eventually(lambda: _lease(core, other_than=before))

    driver.in_listing = scene.once(database_is_away)

    assert (await core.audit()).outcome == "complete"


async def _lease(core: Any, other_than: Any = None) -> Any:
    # Connections of before the outage break as they are used.
    with contextlib.suppress(sqlalchemy.exc.DBAPIError):
        lease = (await core.last_audit()).leased_until
        return None if lease == other_than else lease
    return None


async def test_lease_is_extended_by_its_holder_only(scene: Any) -> None:
    """Whoever names a lease that is not there any more is told so."""
    core = await scene.core(await scene.driver())
    async with core.database.writing() as connection:
        audits = DriverAuditTable(connection)
        first = await audits.begin("a", 60, now())
        assert first is not None
        assert await audits.begin("a", 60, now()) is None
        second = await audits.extend("a", first, 90)
        assert second is not None
        assert second > first
        assert await audits.extend("a", first, 90) is None
        assert not await audits.finish("a", first, outcome="complete")
        assert await audits.finish("a", second, outcome="complete")
        assert await audits.begin("a", 60, now() - timedelta(hours=1)) is None


async def test_audit_of_the_future_keeps_nobody_from_auditing(scene: Any) -> None:
    """A clock that was ahead and has been set back does not stop audits until its time has come."""
    driver = await scene.driver()
    core = await scene.core(driver)
    await core.world(1)
    await core.audit()
    async with core.database.writing() as connection:
        tomorrow = now() + timedelta(days=1)
        await connection.execute(sa.update(driver_audit.table).values(finished_at=tomorrow))

    await core.auditor.start()

    await scene.eventually(lambda: driver.listings == 2)


async def test_audit_that_fails_prunes_nothing_and_is_retried(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing that breaks changes nothing but the outcome; a later one that does not is taken."""
    monkeypatch.setattr("jackfield_core.audit.auditor.PAUSE", 0.1)
    driver = await scene.driver()
    core = await scene.core(driver, orphan_limit=0, orphan_percent=0)
    _, (lost, *_) = await core.world()
    stranger = driver.keep(Kind.PORT, STRANGER.format(1))
    await core.audit()
    driver.lose(lost, stranger)
    driver.breaks_with = grpc.StatusCode.DATA_LOSS
    with pytest.raises(NoVerdict):
        await core.audit()

    audit = await core.last_audit()
    assert (audit.outcome, audit.held_orphans, audit.listed) == ("failed", 1, 7)
    assert [row.owed for row in await core.rows_of(lost)] == [False]
    assert len(await core.rows_of(stranger)) == 1

    await core.auditor.start()
    await scene.eventually(lambda: driver.listings >= 4)
    driver.breaks_with = None
    await scene.eventually(lambda: (Kind.PORT, lost) in driver.held)
    assert await core.rows_of(stranger) == []


async def test_unreachable_backend_is_stored(scene: Any) -> None:
    """An audit that could not read everything says so, and what it could not read."""
    driver = await scene.driver(unreachable=[reconcile_pb2.Unreachable(backend="switch-2", reason="it reboots")])
    core = await scene.core(driver)
    await core.world(1)

    audit = await core.audit()

    assert audit.outcome == "partial"
    assert [(one.backend, one.reason) for one in audit.unreachable] == [("switch-2", "it reboots")]


async def test_driver_that_cannot_list_after_all_is_left_in_peace(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """UNIMPLEMENTED is not asked again over the same connection, and asked anew over the next one."""
    monkeypatch.setattr("jackfield_core.audit.auditor.PAUSE", 0.05)
    driver = await scene.driver(breaks_with=grpc.StatusCode.UNIMPLEMENTED)
    core = await scene.core(driver)
    await core.auditor.start()
    await scene.eventually(lambda: driver.listings)
    await asyncio.sleep(0.3)
    assert driver.listings == 1

    driver.breaks_with = None
    await driver.down()
    await driver.up()

    await _until_audited(scene, core)


async def test_audit_that_was_done_is_not_done_again(scene: Any) -> None:
    """Whoever comes late is told that there is nothing to do."""
    driver = await scene.driver()
    core = await scene.core(driver)
    await core.world(1)
    await core.audit()

    not_since = now() - timedelta(hours=1)
    assert await perform(core.database, core.subject(), core.settings, not_since=not_since) is None
    assert driver.listings == 1


async def _until_audited(scene: Any, core: Any) -> None:
    async def is_done() -> bool:
        audit = await core.last_audit()
        return audit.outcome == "complete" and audit.leased_until is None and audit.requested_at is None

    await scene.eventually(is_done)
