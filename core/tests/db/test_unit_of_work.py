"""The unit of work: rows, debts and feed entries of one transaction appear together."""

from jackfield_core.db.port import Binding
from jackfield_core.db.tree import NetworkTree, load_trees
from jackfield_core.db.unit_of_work import Change
from jackfield_core.types import Action, Kind
from msgspec.structs import replace


def created(tree):
    return Change(Kind.NETWORK, Action.CREATE, tree.network, None, tree)


def deleted(tree):
    return Change(Kind.NETWORK, Action.DELETE, tree.network, tree.network, tree)


async def test_every_creditor_is_owed_a_change(unit_of_work, rows, creditors, wakings):
    """One row of the ledger per driver, whose lanes are woken after the commit."""
    creditors.drivers = ["arista", "ovs"]
    async with unit_of_work() as tx:
        tree = await rows.tree(tx)
        tx.record(replace_states(created(tree), ovs=(3, b"memo")))
        assert wakings == []

    async with unit_of_work.reading() as tables:
        debts = {debt.driver: debt for debt in await tables.deliveries.list()}
    assert set(debts) == {"arista", "ovs"}
    assert (debts["ovs"].state_version, debts["ovs"].state, debts["arista"].state) == (3, b"memo", None)
    assert wakings == [{"arista", "ovs"}]


async def test_an_update_remembers_what_was_acknowledged(unit_of_work, rows, creditors):
    """Drivers that were clean get the state before the change as their original."""
    creditors.drivers = ["ovs"]
    async with unit_of_work() as tx:
        tree = await rows.tree(tx)
        tx.record(created(tree))
    async with unit_of_work() as tx:
        await tx.claims.claim("ovs", name="c", limit=9, lease=9, earlier=(), later=(), hold=0)
        await tx.claims.acknowledge("c")
    after = NetworkTree(replace(tree.network, revision_number=2))
    async with unit_of_work() as tx:
        await tx.networks.update(after.network)
        tx.record(Change(Kind.NETWORK, Action.UPDATE, after.network, tree.network, after, original_tree=tree))

    async with unit_of_work.reading() as tables:
        (debt,) = await tables.deliveries.list()
    assert (debt.desired_revision, debt.original) == (2, b"network 1")


async def test_a_deleted_resource_stays_until_its_drivers_let_go(unit_of_work, rows, creditors):
    """Users see it no more; dispatchers still read it."""
    creditors.drivers = ["ovs"]
    async with unit_of_work() as tx:
        tree = await rows.tree(tx)
        tx.record(created(tree))
    async with unit_of_work() as tx:
        tx.record(deleted(tree))

    async with unit_of_work.reading() as tables:
        assert await tables.networks.find(tree.network.id) is None
        kept = await tables.networks.list_with_deleted([tree.network.id])
        assert kept[tree.network.id].deleted_at is not None
        assert await load_trees(tables.connection, [tree.network.id]) == {
            tree.network.id: NetworkTree(kept[tree.network.id])
        }
        (debt,) = await tables.deliveries.list()
    assert (debt.tombstone, debt.desired_revision) == (True, 2)


async def test_a_resource_that_nobody_heard_of_is_gone_at_once(unit_of_work, rows, creditors):
    """Without a driver to tell, the row and all that hangs on it go with the commit."""
    async with unit_of_work() as tx:
        tree = await rows.tree(tx, "192.0.2.0/24")
        tx.record(created(tree))
    creditors.drivers = ["newcomer"]
    async with unit_of_work() as tx:
        tx.record(deleted(tree))

    async with unit_of_work.reading() as tables:
        assert await tables.networks.list_with_deleted([tree.network.id]) == {}
        assert await tables.subnets.list_with_deleted([tree.subnets[0].id]) == {}
        assert await tables.deliveries.list(owed=None) == []


async def test_the_feed_names_networks_and_hosts_that_have_to_look(unit_of_work, rows):
    """A port that moves is announced to the host it leaves and the one it comes to, each once."""
    async with unit_of_work() as tx:
        tree = await rows.tree(tx)
        before = rows.port(tree.network, binding=Binding(host="h1"))
        after = replace(before, binding=Binding(host="h2"))
        await tx.ports.add(after)
        change = Change(Kind.PORT, Action.UPDATE, after, before, tree)
        tx.record(change, change)
        tx.touch(tree.network.id)

    async with unit_of_work.reading() as tables:
        entries = await tables.feed.after(0)
        assert await tables.feed.last() == entries[-1].id
    assert sorted(entry.host for entry in entries) == ["", "h1", "h2"]
    assert {entry.network_id for entry in entries} == {tree.network.id}


async def test_the_feed_does_not_name_the_network_of_a_port_that_is_on_no_host(unit_of_work, rows):
    """Nothing changes for the hosts that carry the network, so none of them has to look."""
    async with unit_of_work() as tx:
        tree = await rows.tree(tx)
        port = rows.port(tree.network)
        await tx.ports.add(port)
        tx.record(Change(Kind.PORT, Action.CREATE, port, None, tree))

    async with unit_of_work.reading() as tables:
        assert await tables.feed.after(0) == []


def replace_states(change, **states):
    change.states = states
    return change
