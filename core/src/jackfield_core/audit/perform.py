"""One audit, from the lease to the line that tells what came of it.

Whoever performs it holds a lease in the database and extends it while the
devices are read; who has lost it writes nothing any more. An audit that fails
changes nothing but that line: nothing is concluded from a listing that did not
come to its end.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import structlog
from prometheus_client import Counter, Histogram

from jackfield_core import config
from jackfield_core.audit.compare import Progress, compare
from jackfield_core.audit.findings import Findings
from jackfield_core.audit.repair import Repair, apply
from jackfield_core.audit.subject import Subject
from jackfield_core.db.base import now
from jackfield_core.db.driver_audit import DriverAudit, DriverAuditTable
from jackfield_core.db.engine import Database
from jackfield_core.mechanism.answers import NoVerdict

log = structlog.get_logger()

AUDITS = Counter("jackfield_audits", "Audits of mechanism drivers.", ["driver", "outcome"])
SECONDS = Histogram(
    "jackfield_audit_seconds",
    "Time that audits of mechanism drivers took.",
    ["driver"],
    buckets=(0.1, 0.5, 1, 5, 15, 60, 300, 900),
)
REPAIRS = Counter("jackfield_audit_repairs", "Differences that audits found and owed again.", ["driver", "difference"])

LEASE = 60.0
"""Seconds that an audit is leased; extended three times as often."""
SHARE = 2.0
"""An audit in a process that serves pauses so many times as long as it works."""


class LeaseLost(Exception):
    """Raised when somebody else audits meanwhile; nothing is written."""


async def perform(
    database: Database,
    subject: Subject,
    settings: config.Settings,
    *,
    not_since: datetime | None = None,
    share: float = SHARE,
    progress: Progress = lambda listed, expected: None,  # noqa: ARG005
) -> DriverAudit | None:
    """Audit a driver now, owe it what differs, and store what came of it; the caller wakes its lane.

    None if somebody else audits it, or if nobody asks for an audit and the last
    one has finished after *not_since*; without that, it is wanted anyway.

    Raises:
        NoVerdict: The driver did not list everything; that is stored too.
        LeaseLost: This took so long without a sign of life that somebody else has begun anew.
    """
    name = subject.name
    async with database.writing() as connection:
        leased_until = await DriverAuditTable(connection).begin(name, LEASE, not_since or now())
    if leased_until is None:
        return None
    lease, began = _Lease(database, name, leased_until), time.monotonic()
    try:
        async with lease.kept():
            findings, repaired = await _audit(database, subject, settings, lease, share, progress)
    except NoVerdict as error:
        AUDITS.labels(name, "failed").inc()
        await lease.finish(outcome="failed", reason=error.text)
        raise
    except BaseException:
        # The process stops, or the database is away; whoever comes next need not wait for the lease to end.
        await asyncio.shield(lease.give_up())
        raise
    SECONDS.labels(name).observe(time.monotonic() - began)
    _count(findings, repaired)
    await lease.finish(**_values(findings, repaired))
    _log(findings, repaired)
    async with database.reading() as connection:
        return await DriverAuditTable(connection).find(name)


async def _audit(
    database: Database, subject: Subject, settings: config.Settings, lease: "_Lease", share: float, progress: Progress
) -> tuple[Findings, Repair]:
    before = await lease.audit()
    findings = await compare(
        database,
        subject,
        agent_down_time=settings.nodes.agent_down_time,
        listed_kinds=before.listed_kinds,
        share=share,
        progress=progress,
    )
    # Somebody else may have taken over while the devices were read.
    await lease.audit()
    return findings, await apply(database, subject, findings, settings.audit)


class _Lease:
    """The lease of one audit.

    It is known by its end, so nobody looks at it, and nobody cuts it off, while it gets another one.
    """

    def __init__(self, database: Database, driver: str, leased_until: datetime) -> None:
        self._database = database
        self._driver = driver
        self._leased_until: datetime | None = leased_until
        self._changes = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Extend the lease again and again."""
        task = asyncio.create_task(self._extend_always(), name=f"lease of the audit of {self._driver}")
        try:
            yield
            await self._changes.acquire()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._changes.release()

    async def audit(self) -> DriverAudit:
        """Return what the database holds of the audit; LeaseLost if it is somebody else's."""
        async with self._changes, self._database.reading() as connection:
            audit = await DriverAuditTable(connection).find(self._driver)
        if audit is None or audit.leased_until != self._leased_until:
            raise LeaseLost
        return audit

    async def finish(self, **values: Any) -> None:
        """Store what came of the audit; LeaseLost if it is somebody else's."""
        async with self._database.writing() as connection:
            audits = DriverAuditTable(connection)
            if self._leased_until is None or not await audits.finish(self._driver, self._leased_until, **values):
                raise LeaseLost

    async def give_up(self) -> None:
        """Let somebody else begin, if that can be written down; otherwise the lease ends by itself."""
        if self._leased_until is not None:
            with contextlib.suppress(Exception):
                async with self._database.writing() as connection:
                    await DriverAuditTable(connection).give_up(self._driver, self._leased_until)

    async def _extend_always(self) -> None:
        while self._leased_until is not None:
            await asyncio.sleep(LEASE / 3)
            try:
                async with self._changes:
                    self._leased_until = await self._extended(self._leased_until)
            except Exception as error:
                # The database is away, and the lease lasts for two more tries.
                log.warning("audit.lease_not_extended", driver=self._driver, reason=str(error) or type(error).__name__)

    async def _extended(self, leased_until: datetime) -> datetime | None:
        async with self._database.writing() as connection:
            return await DriverAuditTable(connection).extend(self._driver, leased_until, LEASE)


def _values(findings: Findings, repaired: Repair) -> dict[str, Any]:
    return {
        "outcome": "partial" if findings.unreachable else "complete",
        "reason": "",
        "listed": findings.listed,
        "missing": repaired.missing,
        "changed": repaired.changed,
        "orphans": repaired.orphans,
        "held_orphans": repaired.held_orphans,
        "unreachable": findings.unreachable,
        "listed_kinds": tuple(sorted(findings.listed_kinds)),
    }


def _count(findings: Findings, repaired: Repair) -> None:
    name = findings.driver
    AUDITS.labels(name, "partial" if findings.unreachable else "complete").inc()
    counts = {"missing": repaired.missing, "changed": repaired.changed, "orphan": repaired.orphans}
    for difference, count in counts.items():
        REPAIRS.labels(name, difference).inc(count)


def _log(findings: Findings, repaired: Repair) -> None:
    """Tell an operator what was not as it should be, and nothing if all was well."""
    if repaired.owed or repaired.held_orphans or findings.unreachable:
        log.warning(
            "audit.differs",
            driver=findings.driver,
            listed=findings.listed,
            missing=repaired.missing,
            changed=repaired.changed,
            orphans=repaired.orphans,
            held_orphans=repaired.held_orphans,
            unreachable=[one.backend for one in findings.unreachable[:_NAMED]],
        )
    else:
        log.debug("audit.complete", driver=findings.driver, listed=findings.listed, compared=findings.compared)


_NAMED = 10
