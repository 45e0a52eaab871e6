"""Compares what a driver lists with what it has acknowledged, and writes nothing.

The ledger is read first, then the devices, then the ledger once more for what
seems to differ, because both go on meanwhile. Only what nobody has touched since
before the listing counts: the rest is owed, or was just paid, and the listing
may be too old to say anything of it.

This is the dry run of an audit. An operator's ``diff`` ends here;
:func:`jackfield_core.audit.repair.apply` takes it from here.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence

from jackfield_core.audit import suspects
from jackfield_core.audit.expectation import expect
from jackfield_core.audit.findings import Difference, Finding, Findings
from jackfield_core.audit.subject import DIFF, LIST_OWNED, Subject
from jackfield_core.audit.tally import Suspects, Tally
from jackfield_core.db.engine import Database
from jackfield_core.mechanism.answers import NoVerdict
from jackfield_core.mechanism.listing import list_owned
from jackfield_core.types import Kind

MOST_UNKNOWN = 200_000
"""Resources that are listed and that nobody knows; more are no orphans but another deployment's, or a fault."""

Progress = Callable[[int, int], None]
"""Told how many resources were listed so far, and how many are expected."""


async def compare(
    database: Database,
    subject: Subject,
    *,
    agent_down_time: float,
    listed_kinds: Collection[str] = (),
    share: float = 0.0,
    progress: Progress = lambda listed, expected: None,  # noqa: ARG005
) -> Findings:
    """Return what differs between a driver's devices and the ledger.

    *agent_down_time* is that of the settings, in seconds. *listed_kinds* are
    those that the driver is known to list, as the last audit has stored them; of
    other kinds nothing is missed unless some of it is listed now, or the driver
    can tell whether it would do something. *share* is how long to pause for others, as a multiple of the
    time that reading the ledger takes.

    Raises:
        NoVerdict: The driver cannot list, or the listing did not come to its end; nothing is known.
        Garbage: It cannot be decoded.
    """
    if LIST_OWNED not in subject.features:
        raise NoVerdict(subject.name, "it does not tell what is on its devices", code="UNIMPLEMENTED", attempted=False)
    tally = Tally(await expect(database, subject, share))
    with subject.client.kept():
        await _read(subject, tally, progress)
        known_kinds = tally.kinds.union(listed_kinds)
        found = [
            *await _missing(database, subject, tally, known_kinds, agent_down_time),
            *await _changed(database, subject, tally),
            *await _thinned(database, subject, tally, agent_down_time),
            *await suspects.orphans(database, subject, tally),
        ]
    return _findings(subject.name, tally, found, known_kinds)


def _findings(driver: str, tally: Tally, found: Sequence[Finding], known_kinds: frozenset[str]) -> Findings:
    """Return what was *found*, with what the tally says besides of orphans that are held and of many backends."""
    held, gone = tally.held()
    spread = {kind: tally.spread(kind) for kind in Kind}
    return Findings(
        driver=driver,
        since=tally.since,
        listed=tally.listed,
        compared=tally.expected,
        found=sorted(found, key=_order),
        unreachable=tuple(tally.unreachable.values()),
        listed_kinds=known_kinds,
        held=held,
        gone=gone,
        spread=[one for stored, _ in spread.values() for one in stored],
        not_spread=[(kind, id) for kind, (_, ids) in spread.items() for id in ids],
        grown=[one for one in held if one.resource_id in tally.grown[one.kind]],
    )


async def _read(subject: Subject, tally: Tally, progress: Progress) -> None:
    """Hold all that a driver lists against what is expected."""
    async with contextlib.aclosing(list_owned(subject.client)) as pages:
        async for page in pages:
            for owned in page.owned:
                tally.take(owned)
            tally.miss(page.unreachable)
            if sum(map(len, tally.unknown.values())) > MOST_UNKNOWN:
                text = f"it lists more than {MOST_UNKNOWN} resources that nobody knows: those of another deployment?"
                raise NoVerdict(subject.name, text, code="OUT_OF_RANGE")
            progress(tally.listed, tally.expected)
            # A driver that is fast must not keep others from their turn.
            await asyncio.sleep(0)


async def _missing(
    database: Database, subject: Subject, tally: Tally, listed_kinds: Collection[str], agent_down_time: float
) -> Sequence[Finding]:
    kinds = [kind for kind in Kind if kind in listed_kinds or DIFF in subject.features]
    found = await _differing(
        database, subject, tally, Difference.MISSING, {kind: tally.missing(kind) for kind in kinds}
    )
    return await suspects.missed(database, subject, found, agent_down_time)


async def _changed(database: Database, subject: Subject, tally: Tally) -> Sequence[Finding]:
    return await _differing(database, subject, tally, Difference.CHANGED, {kind: tally.changed(kind) for kind in Kind})


async def _thinned(database: Database, subject: Subject, tally: Tally, agent_down_time: float) -> Sequence[Finding]:
    """Return what is gone from one backend, unless the driver says that it would do nothing about it."""
    found = await _differing(database, subject, tally, Difference.CHANGED, {kind: tally.thinned(kind) for kind in Kind})
    return await suspects.missed(database, subject, found, agent_down_time)


async def _differing(
    database: Database, subject: Subject, tally: Tally, difference: Difference, suspected: Mapping[Kind, Suspects]
) -> Sequence[Finding]:
    """Return what is acknowledged as it was when the listing began."""
    return [
        finding
        for kind, ids in suspected.items()
        for finding in await suspects.still_differing(database, subject, tally, difference, kind, ids)
    ]


_RANKS = {kind: rank for rank, kind in enumerate(Kind)}


def _order(finding: Finding) -> tuple[int, str]:
    return _RANKS[finding.kind], finding.resource_id
