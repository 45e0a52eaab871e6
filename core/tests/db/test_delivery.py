"""The ledger: what is owed, and what remains when it is paid, failed or given up."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa
from jackfield_core.db import delivery
from jackfield_core.db.base import now
from jackfield_core.db.claim import Failure, Settled
from jackfield_core.db.delivery import table
from jackfield_core.db.forgetting import forget_kinds
from msgspec.structs import replace
from support.entries import a_network, a_port, a_subnet, ids


async def test_a_new_resource_is_owed_from_its_first_revision(ledger):
    """A recorded creation is due at once and acknowledged by nobody."""
    await ledger.record_new([a_network(state_version=2, state=b"memo")])

    debt = await ledger.one("n1")
    assert (debt.owed, debt.desired_revision, debt.acknowledged_revision) == (True, 1, None)
    assert (debt.state_version, debt.state, debt.original) == (2, b"memo", None)
    assert debt.due_at <= now()


async def test_an_acknowledged_debt_is_settled(ledger):
    """Paying sets the acknowledged revision and leaves the row as memory of it."""
    await ledger.record_new([a_network()])
    (claimed,) = await ledger.claim()

    assert claimed.desired_revision == 1
    assert await ledger.acknowledge("c1") == [Settled("network", "n1", tombstone=False, owed=False)]

    debt = await ledger.one("n1")
    assert (debt.owed, debt.acknowledged_revision, debt.claim, debt.leased_until) == (False, 1, None, None)
    assert debt.owed_since is None
    assert await ledger.claim(name="c2") == []
    assert await ledger.lag() == {}


async def test_changes_coalesce_into_one_debt(ledger):
    """Whoever is behind is owed only the newest revision, and remembers what it acknowledged last."""
    await ledger.record_new([a_network()])
    await ledger.pay()
    await ledger.record([a_network(revision=2, original=b"first")])
    await ledger.record([a_network(revision=3, original=b"second")])

    (debt,) = await ledger.claim(name="c2")

    assert (debt.desired_revision, debt.acknowledged_revision) == (3, 1)
    assert debt.original == b"first"


async def test_a_change_is_owed_to_every_driver_at_once(ledger):
    """Several drivers get their debts in one statement, each from what it acknowledged, the new one among them."""
    await ledger.record_new([a_port(driver="ovs"), a_port(driver="arista")])
    await ledger.pay("ovs")

    drivers = ("ovs", "arista", "new")
    await ledger.record([a_port(revision=2, driver=driver, original=driver.encode()) for driver in drivers])

    debts = [await ledger.one("p1", driver) for driver in drivers]
    assert [(debt.desired_revision, debt.acknowledged_revision, debt.owed) for debt in debts] == [
        (2, 1, True),
        (2, None, True),
        (2, None, True),
    ]
    assert [debt.original for debt in debts] == [b"ovs", None, b"new"]


async def test_a_driver_state_is_kept_until_a_newer_one_comes(ledger):
    """A change without a state leaves the stored one alone."""
    await ledger.record_new([a_network(state_version=1, state=b"old")])
    await ledger.record([a_network(revision=2)])
    assert (await ledger.one("n1")).state == b"old"

    await ledger.claim()
    await ledger.keep_states("c1", [("n1", 2, b"new")])

    debt = await ledger.one("n1")
    assert (debt.state_version, debt.state) == (2, b"new")


async def test_a_change_makes_a_postponed_debt_due_again(ledger):
    """A new revision may be the cure, so it does not wait for the back-off of the old one."""
    await ledger.record_new([a_network()])
    await ledger.claim()
    await ledger.postpone("c1", [Failure("n1", 300.0, "RETRY", "BUSY", "later")])
    assert await ledger.claim(name="c2") == []

    await ledger.record([a_network(revision=2)])

    await ledger.claim(name="c3")
    debt = await ledger.one("n1")
    assert (debt.attempts, debt.reason, debt.message) == (0, "", "")


async def test_a_failure_is_remembered_with_its_reason(ledger):
    """An operator sees why something is still owed; a driver that is still at it has not failed."""
    await ledger.record_new([a_network(), a_network("n2")])
    await ledger.claim()
    before = now()

    await ledger.postpone(
        "c1",
        [Failure("n1", 30.0, "RETRY", "BUSY", "switch is busy"), Failure("n2", 5.0, is_attempt=False)],
    )

    failed, waiting = await ledger.one("n1"), await ledger.one("n2")
    assert (failed.attempts, failed.disposition, failed.reason, failed.message) == (
        1, "RETRY", "BUSY", "switch is busy",
    )  # fmt: skip
    assert waiting.attempts == 0
    assert failed.claim is None
    assert before <= failed.due_at - timedelta(seconds=30) <= now()
    assert await ledger.next_due("ovs") == waiting.due_at


async def test_a_debt_that_grew_meanwhile_stays_owed(ledger):
    """An acknowledgement counts for the revision that was carried; what came later is owed still."""
    await ledger.record_new([a_network()])
    await ledger.claim()
    await ledger.record([a_network(revision=2, original=b"unsent")])

    assert await ledger.acknowledge("c1") == [Settled("network", "n1", tombstone=False, owed=True)]
    await ledger.keep_originals("ovs", [("network", "n1", b"as acknowledged")])

    (debt,) = await ledger.claim(name="c2")
    assert (debt.acknowledged_revision, debt.desired_revision, debt.original) == (1, 2, b"as acknowledged")


async def test_a_failure_does_not_postpone_what_grew_meanwhile(ledger):
    """The newer revision is tried at once, although the older one failed."""
    await ledger.record_new([a_network()])
    await ledger.claim()
    await ledger.record([a_network(revision=2)])

    await ledger.postpone("c1", [Failure("n1", 300.0, "RETRY", "BUSY", "")])

    assert ids(await ledger.claim(name="c2")) == ["n1"]


async def test_an_acknowledgement_can_leave_some_out(ledger):
    """A batch is not atomic: what failed stays claimed until it is postponed."""
    await ledger.record_new([a_network("n1"), a_network("n2")])
    await ledger.claim()

    assert [settled.resource_id for settled in await ledger.acknowledge("c1", ["n2"])] == ["n1"]

    assert (await ledger.one("n2")).claim == "c1"


async def test_a_backend_that_lost_its_memory_is_owed_everything_again(ledger):
    """What had been acknowledged is owed from the start; other drivers are left alone."""
    await ledger.record_new([a_network(), a_network("n2"), a_network(driver="arista")])
    await ledger.pay()
    await ledger.pay("arista", name="a1")

    assert await ledger.owe_all_again("ovs") == 2

    assert sorted(ids(await ledger.claim(name="c2"))) == ["n1", "n2"]
    assert (await ledger.one("n1")).acknowledged_revision is None
    assert (await ledger.one("n1", "arista")).owed is False


@pytest.mark.parametrize("page", [1, 2, 3, 5000])
async def test_everything_is_owed_again_page_by_page(ledger, monkeypatch, page):
    """However much a driver has lost, no statement changes more than a page, and none is left out."""
    monkeypatch.setattr(delivery, "PAGE", page)
    await ledger.record_new([a_network(), a_network("n2"), a_subnet(), a_port(), a_port("p2"), a_port("p3")])
    for name in ("c1", "c2", "c3"):
        await ledger.pay(name=name)
    assert await ledger.list() == []

    assert await ledger.owe_all_again("ovs") == 6

    assert sorted(ids(await ledger.list())) == ["n1", "n2", "p1", "p2", "p3", "s1"]


async def test_kinds_without_interest_are_forgotten(ledger, unit_of_work):
    """A driver that stops wanting subnets is owed none, not even their end."""
    await ledger.record_new([a_network(), a_subnet()])

    async with unit_of_work() as tx:
        await forget_kinds(tx, "ovs", ["subnet"], (), ())

    assert ids(await ledger.list(owed=None)) == ["n1"]


async def test_the_lag_counts_debts_per_driver(ledger):
    """The oldest debt of a driver tells how far it is behind."""
    await ledger.record_new([a_network(), a_network("n2"), a_network(driver="arista")])
    await ledger.pay("arista", name="a1")

    lag = await ledger.lag()

    assert list(lag) == ["ovs"]
    count, since = lag["ovs"]
    assert count == 2
    assert timedelta(0) <= now() - since < timedelta(seconds=30)


async def test_the_next_look_waits_for_the_lease_of_others(ledger):
    """What another process has claimed is due again when its lease ends."""
    assert await ledger.next_due("ovs") is None
    await ledger.record_new([a_network()])
    assert await ledger.next_due("ovs") <= now()

    before = now()

    await ledger.claim(lease=60.0)

    assert before <= await ledger.next_due("ovs") - timedelta(seconds=60) <= now()


async def test_a_port_that_is_made_again_under_its_id_is_owed_again(ledger):
    """Recording a change of a resource that the driver never heard of creates the debt."""
    await ledger.record([replace(a_port(revision=4), original=b"")])

    debt = await ledger.one("p1")
    assert (debt.owed, debt.desired_revision, debt.acknowledged_revision) == (True, 4, None)


@pytest.mark.parametrize("page", [1, 2, 5000])
async def test_debts_that_wait_are_due_at_once_page_by_page(ledger, monkeypatch, page):
    """However many there are; those that are due already are not counted."""
    monkeypatch.setattr(delivery, "PAGE", page)
    await ledger.record_new([a_network(), a_network("n2"), a_network("n3"), a_network("n4")])
    await ledger.claim(limit=3)
    failed = ids(await ledger.list(owed=True))[:4]
    await ledger.postpone("c1", [Failure(id, 30.0, "RETRY", "BUSY", "") for id in failed])

    assert await ledger.retry() == 3

    assert all(debt.due_at <= now() for debt in await ledger.list())
    assert await ledger.retry() == 0


async def test_an_operator_waits_for_nobody(ledger, unit_of_work):
    """A debt that somebody is just changing is left to them, or two transactions could wait for each other."""
    await ledger.record_new([a_network(), a_network("n2")])
    await ledger.claim()
    await ledger.postpone("c1", [Failure(id, 30.0, "RETRY", "BUSY", "") for id in ("n1", "n2")])
    async with unit_of_work() as tx:
        if tx.connection.dialect.name != "postgresql":
            pytest.skip("SQLite has one writer, so there is nothing to wait for")
        await tx.connection.execute(sa.update(table).where(table.c.resource_id == "n1").values(message="busy"))

        async with asyncio.timeout(20):
            assert await ledger.retry() == 1
