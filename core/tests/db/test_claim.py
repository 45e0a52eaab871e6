"""Claims: who may pay what is owed, when, and in which order."""

import asyncio
from datetime import timedelta

from jackfield_core.db.base import now
from jackfield_core.db.claim import Failure, Settled
from jackfield_core.types import Kind
from support.entries import a_network, a_port, a_subnet, ids


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
