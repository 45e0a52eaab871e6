"""What came of a call, written down in one transaction.

Done changes settle their debts, by the name of the claim and not row by row.
What has grown meanwhile stays owed, with what the driver now has as its new
original. Failures go back with a reason and a pause. Resources that were deleted
and are owed to nobody any more go for good, what updates took away is free, and
ports of which every driver has now heard may become ACTIVE.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import structlog
from msgspec import Struct

from jackfield_core.db.claim import Due, Failure, Settled
from jackfield_core.db.ending import EndTable
from jackfield_core.db.fault import FaultTable
from jackfield_core.db.unit_of_work import Change, Tables
from jackfield_core.db.vendor_attribute import Values
from jackfield_core.dispatch.backoff import Backoff
from jackfield_core.mechanism import translate
from jackfield_core.mechanism.answers import Done, Failed, InProgress, Superseded
from jackfield_core.mechanism.loading import Item
from jackfield_core.types import Kind

log = structlog.get_logger()

Outcome = Done | Superseded | InProgress | Failed
SOONEST = 0.05
"""Seconds until a driver that is still at it is asked again at the earliest."""
LATEST = 1.0
"""Seconds after which one that takes long is asked again, unless it wants more time."""
_SHARE = 0.05
_SLOW = ("infeasible", "conflict")


class Settlement(Struct, frozen=True):
    """What a call has changed in the ledger.

    *ended* are the kinds of which something's end was paid, *told* those of which
    something else was. *soonest* is the shortest pause of what failed. *refused*
    outcomes were not written down, because their claim had ended.
    """

    told: Collection[str] = ()
    ended: Collection[str] = ()
    soonest: float | None = None
    refused: int = 0


class _Paid:
    """What a call has paid, seen in one pass: it is the same five hundred times, and every look at one costs."""

    def __init__(self, debts: Iterable[Due], *, is_awaited: bool) -> None:
        self.ids: list[str] = []
        self.met: list[str] = []
        """Ports that waited for this driver to hear of them: it *is_awaited* before a port is ACTIVE."""
        self.networks: set[str] = set()
        self.ended: set[str] = set()
        """Networks of what has ended."""
        self.told: set[str] = set()
        self.over: set[str] = set()
        for debt in debts:
            self.ids.append(debt.resource_id)
            self.networks.add(debt.network_id)
            if debt.tombstone:
                self.ended.add(debt.network_id)
                self.over.add(debt.kind)
                continue
            self.told.add(debt.kind)
            if is_awaited and debt.acknowledged_revision is None and debt.kind == Kind.PORT:
                self.met.append(debt.resource_id)


async def settle(
    tables: Tables,
    driver: str,
    claim: str,
    items: Sequence[Item],
    outcomes: Mapping[str, Outcome],
    required: Sequence[str],
    attributed: Collection[Kind],
    backoff: Backoff,
) -> Settlement:
    """Write down the outcome of each item, by resource id; what is not in *outcomes* is plainly done."""
    failures = _failures(driver, items, outcomes, backoff) if outcomes else []
    failed = {failure.resource_id for failure in failures}
    done = [item for item in items if item.debt.resource_id not in failed] if failed else items
    is_awaited = driver in required
    paid = _Paid((item.debt for item in done), is_awaited=is_awaited)
    judged = _judged(items, outcomes) if is_awaited else {}
    left = await tables.leaving.networks({*paid.ids, *paid.networks}) if done else set()
    ends = EndTable(tables.connection, attributed)
    letting_go = await _hold(tables, ends, paid, judged, left)
    count, settled = await _acknowledge(tables, driver, claim, done, outcomes, failed)
    written = count + (await give_back(tables, claim, failures) if failures else 0)
    if left:
        await ends.settle_updates(left | letting_go)
    if paid.ended or left:
        ports = [one.resource_id for one in settled if one.tombstone and one.kind == Kind.PORT]
        await ends.purge(paid.ended | left, ports)
    if paid.met:
        await tables.ports.refresh_status(paid.met, required)
    for kind, ids in judged.items():
        await FaultTable(tables.connection, required).refresh(kind, ids)
    soonest = min((failure.retry_in for failure in failures), default=None)
    return Settlement(paid.told, paid.over, soonest, refused=len(items) - written)


async def _hold(
    tables: Tables, ends: EndTable, paid: _Paid, judged: Mapping[Kind, Collection[str]], left: set[str]
) -> set[str]:
    """Keep others from what is about to change; return the ports that let go of something, on the networks *left*.

    Networks before ports before the ledger, in the order of services.
    """
    if networks := paid.ended.union(left, judged.get(Kind.NETWORK, ())):
        await ends.hold(networks)
    # A port that is about to take back what it let go of is waited for, or what it has again would be free.
    letting_go = {*paid.ids} & await tables.leaving.ports(left) if left else set()
    if ports := {*paid.met, *judged.get(Kind.PORT, ()), *letting_go}:
        await tables.ports.hold(ports)
    return letting_go


async def give_back(tables: Tables, claim: str, failures: Sequence[Failure]) -> int:
    """Return debts to the ledger that were not paid; return how many of them the claim still held."""
    held = await tables.claims.count(claim)
    if held:
        await tables.claims.postpone(claim, failures)
    return min(held, len(failures))


async def _acknowledge(
    tables: Tables,
    driver: str,
    claim: str,
    done: Sequence[Item],
    outcomes: Mapping[str, Outcome],
    failed: set[str],
) -> tuple[int, list[Settled]]:
    """Settle what is done; return how many, the ends among them, and what has grown meanwhile."""
    if not done:
        return 0, []
    with_more = {id: outcome for id, outcome in outcomes.items() if isinstance(outcome, Done)}
    states = [(id, *outcome.state) for id, outcome in with_more.items() if outcome.state is not None]
    if states:
        await tables.claims.keep_states(claim, states)
    if any(outcome.attributes for outcome in with_more.values()):
        settled = await tables.claims.acknowledge(claim, [*failed])
        count = len(settled)
        if values := _values(driver, settled, with_more):
            await tables.vendor_attributes.save(values)
    else:
        count, settled = await tables.claims.acknowledge_tersely(claim, [*failed])
    grown = {one.resource_id for one in settled if one.owed and not one.tombstone}
    if grown:
        changes = [item.change for item in done if item.change and item.debt.resource_id in grown]
        originals = [_original(change) for change in changes]
        await tables.claims.keep_originals(driver, originals)
    return count, settled


def _values(driver: str, settled: Sequence[Settled], with_more: Mapping[str, Done]) -> dict[tuple[Kind, str], Values]:
    """Return what the driver set of its own attributes, for resources that are still there."""
    found: dict[tuple[Kind, str], Values] = {}
    for one in settled:
        outcome = with_more.get(one.resource_id)
        if outcome is not None and outcome.attributes and not one.tombstone:
            own = {(driver, name): value for name, value in outcome.attributes.items()}
            found[Kind(one.kind), one.resource_id] = own
    return found


def _original(change: Change) -> tuple[str, str, bytes]:
    """Return what the driver has now: kind, id, and the resource as it was sent."""
    encoded = translate.encode(change.current, change.tree, change.levels)
    return change.kind, change.current.id, encoded


def _failures(driver: str, items: Sequence[Item], outcomes: Mapping[str, Outcome], backoff: Backoff) -> list[Failure]:
    """Return how what was not paid goes back into the ledger."""
    found = []
    for item in items:
        outcome = outcomes.get(item.debt.resource_id)
        if outcome is not None and not isinstance(outcome, Done):
            found.append(_failure(driver, item.debt, outcome, backoff))
    return found


def _judged(items: Sequence[Item], outcomes: Mapping[str, Outcome]) -> dict[Kind, list[str]]:
    """Return what the driver never had and refuses, or perhaps refused until now, by kind: its status may be ERROR."""
    found: dict[Kind, list[str]] = {}
    for debt in (item.debt for item in items):
        if debt.acknowledged_revision is None and not debt.tombstone and debt.kind != Kind.SUBNET:
            outcome = outcomes.get(debt.resource_id)
            if debt.attempts or (isinstance(outcome, Failed) and outcome.disposition in _SLOW):
                found.setdefault(Kind(debt.kind), []).append(debt.resource_id)
    return found


def _patience(debt: Due) -> float:
    """Return the shortest pause before a driver that is still at it is asked again: it grows with what it takes."""
    return min(max(SOONEST, (debt.age or 0.0) * _SHARE), LATEST)


def _failure(driver: str, debt: Due, outcome: Superseded | InProgress | Failed, backoff: Backoff) -> Failure:
    """Return how a debt that was not paid goes back into the ledger."""
    if isinstance(outcome, Superseded):
        # Whoever delivered the higher revision settles it; if that came to nothing, the newest is sent again.
        return Failure(debt.resource_id, SOONEST, "superseded", is_attempt=False)
    if isinstance(outcome, InProgress):
        again = max(outcome.retry_after, _patience(debt))
        return Failure(debt.resource_id, again, "in_progress", is_attempt=False)
    slow = outcome.disposition in _SLOW
    pause = backoff.long_pause(outcome.retry_after) if slow else backoff.pause(debt.attempts, outcome.retry_after)
    message = outcome.operator_message or outcome.user_message
    if not debt.attempts:
        log.warning(
            "delivery.failed",
            driver=driver,
            kind=debt.kind,
            id=debt.resource_id,
            disposition=outcome.disposition,
            reason=outcome.reason,
            message=message,
        )
    return Failure(debt.resource_id, pause, outcome.disposition, outcome.reason, message)
