"""The ledger: what is owed, who may pay it when, and what remains."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa
from jackfield_core.db import delivery
from jackfield_core.db.base import now
from jackfield_core.db.claim import Failure, Settled
from jackfield_core.db.delivery import Entry, table
from jackfield_core.db.forgetting import forget_kinds
from jackfield_core.types import Kind
from msgspec.structs import replace


@pytest.fixture
def ledger(unit_of_work):
    """Do one thing with the ledger, in a transaction of its own."""

    class Ledger:
        def __getattr__(self, name):
            async def call(*args, **kwargs):
                async with unit_of_work() as tx:
                    method = getattr(tx.deliveries, name, None) or getattr(tx.claims, name)
                    return await method(*args, **kwargs)

            return call

        async def claim(self, driver="ovs", *, name="c1", limit=100, lease=60.0, earlier=(), later=(), hold=1.0):
            async with unit_of_work() as tx:
                return await tx.claims.claim(
                    driver, name=name, limit=limit, lease=lease, earlier=earlier, later=later, hold=hold
                )

        async def one(self, resource_id, driver="ovs"):
            (debt,) = await self.list(driver=driver, resource_id=resource_id, owed=None)
            return debt

        async def pay(self, driver="ovs", **kwargs):
            claimed = await self.claim(driver, **kwargs)
            await self.acknowledge(kwargs.get("name", "c1"))
            return claimed

        async def shift(self, **columns):
            """Move times of all rows, as if time had passed."""
            async with unit_of_work() as tx:
                await tx.connection.execute(sa.update(table).values(**columns))

    return Ledger()


def a_network(id="n1", revision=1, driver="ovs", **values):
    return Entry(Kind.NETWORK, id, id, driver, revision, **values)


def a_subnet(id="s1", network="n1", revision=1, driver="ovs", **values):
    return Entry(Kind.SUBNET, id, network, driver, revision, **values)


def a_port(id="p1", network="n1", revision=1, driver="ovs", **values):
    return Entry(Kind.PORT, id, network, driver, revision, **values)


def ids(debts):
    return [debt.resource_id for debt in debts]


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
    assert timedelta(seconds=28) < failed.due_at - now() < timedelta(seconds=31)
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


async def test_a_claim_is_exclusive_while_its_lease_lasts(ledger):
    """Nobody else gets what is claimed, until the lease has run out."""
    await ledger.record_new([a_network()])
    await ledger.claim(name="c1")
    assert await ledger.claim(name="c2") == []

    await ledger.shift(leased_until=now() - timedelta(seconds=1))

    assert ids(await ledger.claim(name="c3")) == ["n1"]


async def test_a_late_acknowledgement_changes_nothing(ledger):
    """Whoever slept through the end of its lease has no say any more, whatever it answers."""
    await ledger.record_new([a_network()])
    await ledger.claim(name="sleeper")
    await ledger.shift(leased_until=now() - timedelta(seconds=1))
    await ledger.claim(name="successor")

    assert await ledger.acknowledge("sleeper") == []
    await ledger.keep_states("sleeper", [("n1", 9, b"stale")])
    await ledger.postpone("sleeper", [Failure("n1", 300.0, "RETRY", "STALE", "")])

    debt = await ledger.one("n1")
    assert (debt.claim, debt.owed, debt.state, debt.reason) == ("successor", True, None, "")


async def test_concurrent_claims_share_the_debts(ledger, database):
    """Dispatchers that claim at once get different debts, and together all of them."""
    await ledger.record_new([a_network(f"n{number}") for number in range(40)])

    claims = await asyncio.gather(*(ledger.claim(name=f"c{number}", limit=8) for number in range(10)))

    claimed = [id for claim in claims for id in ids(claim)]
    assert len(claimed) == len(set(claimed))
    # Rows that are just being claimed by somebody else are skipped, not waited for.
    rest = await ledger.claim(name="last")
    assert sorted(claimed + ids(rest)) == sorted(f"n{number}" for number in range(40))


async def test_a_claim_is_no_larger_than_asked(ledger):
    """The limit is the largest batch that a driver takes."""
    await ledger.record_new([a_network(f"n{number}") for number in range(5)])

    assert len(await ledger.claim(limit=2)) == 2
    assert len(await ledger.claim(name="c2", limit=2)) == 2


async def test_children_wait_for_parents_that_were_never_acknowledged(ledger):
    """A port is told after its network and subnets, once the driver knows of these."""
    await ledger.record_new([a_port(), a_subnet(), a_network()])

    assert ids(await ledger.pay(name="c1")) == ["n1"]
    assert ids(await ledger.pay(name="c2")) == ["s1"]
    assert ids(await ledger.pay(name="c3")) == ["p1"]


async def test_children_do_not_wait_for_a_change_of_a_known_parent(ledger):
    """What the driver already has of the network is enough to stand on."""
    await ledger.record_new([a_network()])
    await ledger.pay()
    await ledger.record([a_network(revision=2)])
    await ledger.record_new([a_port()])

    assert sorted(ids(await ledger.claim(name="c2"))) == ["n1", "p1"]


async def test_children_wait_for_no_parent_of_another_network_or_driver(ledger):
    """Only what a resource stands on holds it back."""
    await ledger.record_new([a_network("n2"), a_network("n1", driver="arista"), a_port()])

    assert sorted(ids(await ledger.claim())) == ["n2", "p1"]


async def test_the_end_of_a_parent_waits_for_its_children(ledger):
    """Deletions are told in reverse."""
    await ledger.record_new([a_network(), a_subnet(), a_port()])
    for name in ("c1", "c2", "c3"):
        await ledger.pay(name=name)
    for kind, id in ((Kind.NETWORK, "n1"), (Kind.SUBNET, "s1"), (Kind.PORT, "p1")):
        assert await ledger.bury(kind, id, 2) == 1

    assert ids(await ledger.pay(name="d1")) == ["p1"]
    assert ids(await ledger.pay(name="d2")) == ["s1"]
    assert ids(await ledger.pay(name="d3")) == ["n1"]
    assert await ledger.list(owed=None) == []


async def test_a_paid_tombstone_is_gone(ledger):
    """When a driver has let go, nothing is left of the debt."""
    await ledger.record_new([a_network()])
    await ledger.pay()
    await ledger.bury(Kind.NETWORK, "n1", 2)
    assert ids(await ledger.list()) == ["n1"]

    await ledger.claim(name="c2")
    assert await ledger.acknowledge("c2") == [Settled("network", "n1", tombstone=True, owed=False)]

    assert await ledger.list(owed=None) == []


async def test_a_resource_deleted_while_it_is_told_is_told_its_end(ledger):
    """An acknowledgement of the creation does not pay the deletion that came meanwhile."""
    await ledger.record_new([a_network()])
    await ledger.claim()
    await ledger.bury(Kind.NETWORK, "n1", 2)

    assert await ledger.acknowledge("c1") == [Settled("network", "n1", tombstone=True, owed=True)]

    (debt,) = await ledger.claim(name="c2")
    assert (debt.tombstone, debt.desired_revision) == (True, 2)


async def test_only_those_who_heard_of_a_resource_are_owed_its_end(ledger):
    """A driver without a row, or that has said that it does not want to hear of deletions, is owed nothing."""
    await ledger.record_new([a_network(driver="ovs"), a_network(driver="arista")])

    assert await ledger.bury(Kind.NETWORK, "n1", 2, ["arista", "newcomer"]) == 1

    assert [debt.driver for debt in await ledger.list(owed=None)] == ["ovs"]
    assert await ledger.bury(Kind.NETWORK, "unheard", 2) == 0


async def test_an_earlier_driver_is_waited_for_a_little(ledger):
    """A driver leaves the first turn to those before it in the configured order, for a bounded time."""
    await ledger.record_new([a_network(driver="arista"), a_network(driver="ovs")])

    assert ids(await ledger.claim("ovs", earlier=["arista"])) == []
    assert ids(await ledger.claim("arista", name="a1", later=["ovs"])) == ["n1"]

    await ledger.shift(owed_since=now() - timedelta(seconds=2))
    assert ids(await ledger.claim("ovs", earlier=["arista"], hold=1.0)) == ["n1"]


async def test_nobody_waits_for_a_driver_that_has_paid_or_failed(ledger):
    """The order is a courtesy between drivers that work, not a dependence on those that do not."""
    await ledger.record_new([a_network(driver="arista"), a_network(driver="ovs")])
    await ledger.record_new([a_network("n2", driver="arista"), a_network("n2", driver="ovs")])
    await ledger.claim("arista", name="a1")
    await ledger.postpone("a1", [Failure("n1", 30.0, "RETRY", "BUSY", "")])
    await ledger.acknowledge("a1")

    assert sorted(ids(await ledger.claim("ovs", earlier=["arista"]))) == ["n1", "n2"]


async def test_deletions_go_in_the_reverse_order_of_drivers(ledger):
    """The driver that was told last is told of the end first."""
    await ledger.record_new([a_network(driver="arista"), a_network(driver="ovs")])
    await ledger.pay("arista", name="a1")
    await ledger.pay("ovs", name="o1")
    await ledger.bury(Kind.NETWORK, "n1", 2)

    assert ids(await ledger.claim("arista", name="a2", later=["ovs"])) == []
    assert ids(await ledger.pay("ovs", name="o2", earlier=["arista"])) == ["n1"]
    assert ids(await ledger.claim("arista", name="a3", later=["ovs"])) == ["n1"]


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

    await ledger.claim(lease=60.0)

    assert timedelta(seconds=50) < await ledger.next_due("ovs") - now() < timedelta(seconds=61)


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
