"""Debts become changes: the newest state of each resource, with what it stands on.

A debt holds no copy of its resource. What is read here may be newer than what
was claimed; the driver then hears of it once more under its own revision, which
changes nothing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from jackfield_core.db.base import now
from jackfield_core.db.claim import Due
from jackfield_core.db.described import describe_ports
from jackfield_core.db.port import Port
from jackfield_core.db.tree import load_trees
from jackfield_core.db.unit_of_work import Change, Resource, Tables
from jackfield_core.mechanism import translate
from jackfield_core.mechanism.batch import Batch
from jackfield_core.mechanism.translate import NO_ATTRIBUTES, Host
from jackfield_core.types import Action, BindingLevel, Kind

_KINDS = {kind.value: kind for kind in Kind}
_GONE: tuple[None, Sequence[BindingLevel]] = None, ()


class Item(Struct, frozen=True):
    """A debt, and the change that pays it; of an orphan, or what has no row any more, only the debt tells."""

    debt: Due
    change: Change | None
    attributes: Mapping[str, bytes] = NO_ATTRIBUTES

    def tell(self, batch: Batch, change_id: str) -> None:
        """Add to *batch* what the driver is told, under the revision that the ledger asks for.

        The row of a network may be ahead of that: its revision also counts
        changes of its subnets, of which drivers hear as such.
        """
        debt = self.debt
        if self.change is None:
            batch.add_orphan(_KINDS[debt.kind], debt.resource_id, change_id=change_id, revision=debt.desired_revision)
            return
        action = self.change.action
        state = None if debt.state_version is None else (debt.state_version, debt.state or b"")
        batch.add(
            self.change,
            change_id=change_id,
            action=action,
            revision=debt.desired_revision,
            original=debt.original if action is Action.UPDATE else None,
            state=state,
            attributes=self.attributes,
        )


class Loaded(Struct, frozen=True):
    """What debts are about: items, the hosts of bound ports by name, and ids of resources gone without a trace."""

    items: Sequence[Item]
    hosts: Mapping[str, Host]
    lost: Sequence[str]


async def load(
    tables: Tables,
    driver: str,
    debts: Sequence[Due],
    creates: frozenset[str],
    names: Mapping[Kind, Collection[str]],
    agent_down_time: float,
) -> Loaded:
    """Read what *debts* of a driver are about, parents before children, ends in reverse and last.

    *creates* are the kinds whose creation the driver wants to hear of; it hears
    of the others as updates from the first time on. *names* are those of its
    own attributes.
    """
    items, lost = await describe(tables, driver, debts, creates, names)
    ports = [item.change.current for item in items if item.change and isinstance(item.change.current, Port)]
    return Loaded(items, await _hosts(tables, ports, agent_down_time), lost)


async def describe(
    tables: Tables,
    driver: str,
    debts: Sequence[Due],
    creates: frozenset[str],
    names: Mapping[Kind, Collection[str]],
) -> tuple[list[Item], list[str]]:
    """Return what :func:`load` reads but for the hosts: items, and ids of resources gone without a trace."""
    resources = await _resources(tables, debts)
    trees = await load_trees(tables.connection, {debt.network_id for debt in debts})
    attributes = await _attributes(tables, driver, debts, names) if names else {}
    items, lost = [], []
    for debt in sorted(debts, key=_order):
        if debt.orphan:
            items.append(Item(debt, None))
            continue
        current, levels = resources.get(debt.resource_id, _GONE)
        tree = trees.get(debt.network_id)
        if current is None or tree is None:
            if debt.tombstone:
                # Whatever became of its row, the device still has it.
                items.append(Item(debt, None))
            else:
                lost.append(debt.resource_id)
            continue
        change = Change(_KINDS[debt.kind], _action(debt, creates), current, None, tree, levels=levels)
        items.append(Item(debt, change, attributes.get(debt.resource_id, NO_ATTRIBUTES)))
    return items, lost


def _order(debt: Due) -> tuple[bool, int]:
    return debt.tombstone, -debt.rank if debt.tombstone else debt.rank


def _action(debt: Due, creates: frozenset[str]) -> Action:
    if debt.tombstone:
        return Action.DELETE
    return Action.CREATE if debt.acknowledged_revision is None and debt.kind in creates else Action.UPDATE


async def _resources(tables: Tables, debts: Sequence[Due]) -> dict[str, tuple[Resource, Sequence[BindingLevel]]]:
    """Return resources by id, ports with the levels of their bindings."""
    ids: dict[str, list[str]] = {}
    for debt in debts:
        ids.setdefault(debt.kind, []).append(debt.resource_id)
    resources: dict[str, tuple[Resource, Sequence[BindingLevel]]] = {}
    if Kind.NETWORK in ids:
        networks = await tables.networks.list_with_deleted(ids[Kind.NETWORK])
        resources.update((id, (network, ())) for id, network in networks.items())
    if Kind.SUBNET in ids:
        subnets = await tables.subnets.list_with_deleted(ids[Kind.SUBNET])
        resources.update((id, (subnet, ())) for id, subnet in subnets.items())
    if Kind.PORT in ids:
        resources.update(await describe_ports(tables.connection, ids[Kind.PORT]))
    return resources


async def _attributes(
    tables: Tables, driver: str, debts: Sequence[Due], names: Mapping[Kind, Collection[str]]
) -> dict[str, dict[str, bytes]]:
    """Return the driver's own attributes by resource id."""
    found: dict[str, dict[str, bytes]] = {}
    for kind, declared in names.items():
        ids = [debt.resource_id for debt in debts if debt.kind == kind]
        for id, values in (await tables.vendor_attributes.list(kind, ids)).items() if ids else ():
            found[id] = {name: value for (owner, name), value in values.items() if owner == driver and name in declared}
    return found


async def _hosts(tables: Tables, ports: Iterable[Port], agent_down_time: float) -> dict[str, Host]:
    """Return what is known of the hosts that ports are bound to, by name."""
    names = {port.binding.host for port in ports} - {""}
    if not names:
        return {}
    agents: dict[str, list[Any]] = {name: [] for name in names}
    for agent in await tables.agents.list_on_hosts(names):
        agents[agent.host].append(agent)
    at = now()
    return {name: translate.host(name, found, at, agent_down_time) for name, found in agents.items()}
