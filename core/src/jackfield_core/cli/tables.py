"""How drivers and debts look in a terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import typer

from jackfield_core.api.schemas import delivery
from jackfield_core.audit.findings import Difference
from jackfield_core.cli.console import age, counted, duration, print_json, print_table
from jackfield_core.db.base import now
from jackfield_core.db.driver_audit import DriverAudit
from jackfield_core.db.lag import Lag
from jackfield_core.db.operator_action import OperatorAction
from jackfield_core.mechanism.answers import Backend
from jackfield_core.services.difference import Report
from jackfield_core.services.driver_looks import DriverDetail
from jackfield_core.services.inspection import Inspection
from jackfield_core.services.status import DeliveryStatus


def print_drivers(drivers: Sequence[Inspection]) -> None:
    """Print a line for each endpoint of each driver."""
    print_table(
        ["name", "policy", "endpoint", "", "state", "version", "state version", "owed", "oldest debt", "reason"],
        [line for one in drivers for line in _driver_lines(one)],
    )


def print_driver(found: DriverDetail) -> None:
    """Print all that there is to know of a driver."""
    print_drivers([found.inspection])
    print_backends([backend for sight in found.inspection.endpoints if sight.serves for backend in sight.backends])
    print_lags([found.lag])
    print_audit(found.audit, found.held)
    if found.actions:
        print_actions(found.actions)


def print_backends(backends: Sequence[Backend]) -> None:
    """Print how the devices of a driver are doing, in its words."""
    if backends:
        print_table(["backend", "health", "message"], [[one.id, one.health, one.message] for one in backends])


def print_lags(lags: Sequence[Lag]) -> None:
    """Print how far behind drivers are."""
    print_table(
        ["driver", "owed", "oldest", "failing", "refused", "in progress", "ending", "attempts", "next attempt"],
        [
            [
                lag.driver,
                str(lag.owed),
                age(lag.owed_since),
                str(lag.failing),
                str(lag.refused),
                str(lag.in_progress),
                str(lag.ending),
                str(lag.most_attempts),
                _until(lag.next_due_at),
            ]
            for lag in lags
        ],
    )


def print_deliveries(deliveries: Sequence[DeliveryStatus], *, json: bool) -> None:
    """Print deliveries, one a line, or as the API shows them."""
    if json:
        print_json([delivery.render(one) for one in deliveries])
        return
    if not deliveries:
        typer.echo("Nothing is owed.")
        return
    print_table(
        ["driver", "kind", "id", "state", "acknowledged", "desired", "attempts", "owed for", "next attempt", "reason"],
        [
            [
                one.delivery.driver,
                one.delivery.kind,
                one.delivery.resource_id,
                one.state,
                "never" if one.delivery.acknowledged_revision is None else str(one.delivery.acknowledged_revision),
                "gone" if one.delivery.tombstone else str(one.delivery.desired_revision),
                str(one.delivery.attempts),
                age(one.delivery.owed_since),
                _until(one.next_attempt),
                one.message,
            ]
            for one in deliveries
        ],
    )


def print_report(report: Report) -> None:
    """Print what a dry run found: each difference, and below it what would be done to which device."""
    for one in report.differences:
        typer.echo(" ".join(filter(None, [one.difference, one.kind, one.id])))
        for step in one.steps:
            where = f"  {step.backend}: " if step.backend else "  "
            for line in step.lines:
                typer.echo(where + line)
    for backend in report.unreachable:
        typer.echo(f"not known is what {backend.backend} holds: {backend.reason}")
    for note in report.notes:
        typer.echo(note)
    typer.echo(_summary(report))


def _summary(report: Report) -> str:
    counts = Counter(one.difference or "to do" for one in report.differences)
    listed = f" lists {counted(report.listed, 'resource')}" if report.listed is not None else ""
    if counts:
        found = differing(dict(sorted(counts.items())))
    else:
        found = "nothing differs" if report.is_in_sync else "nothing is known to differ"
    return f'Driver "{report.driver}"{listed}: {found}.'


def differing(counts: Mapping[str, int]) -> str:
    """Return how much differs in which way: ``1 missing, 2 changed, 13 orphans``."""
    # An orphan is a thing; the other words say something of one.
    return ", ".join(
        counted(count, name) if name == Difference.ORPHAN else f"{count} {name}" for name, count in counts.items()
    )


def print_audit(audit: DriverAudit | None, held: int) -> None:
    """Print what the last comparison with the devices found."""
    if audit is None or audit.started_at is None:
        print_table(["last audit"], [["none yet"]])
        return
    print_table(
        ["last audit", "outcome", "listed", "missing", "changed", "orphans", "held", "reason"],
        [
            [
                f"{age(audit.finished_at or audit.started_at)} ago",
                audit.outcome or "under way",
                *map(str, (audit.listed, audit.missing, audit.changed, audit.orphans, held)),
                "; ".join(
                    [*filter(None, [audit.reason]), *(f"{one.backend}: {one.reason}" for one in audit.unreachable)]
                ),
            ]
        ],
    )


def print_actions(actions: Sequence[OperatorAction]) -> None:
    """Print what operators did, the newest first."""
    print_table(
        ["at (UTC)", "action", "resource", "by", "detail"],
        [
            [
                one.at.isoformat(sep=" ", timespec="seconds"),
                one.action,
                " ".join(filter(None, [one.kind, one.resource_id])),
                one.request_id,
                one.detail,
            ]
            for one in actions
        ],
    )


def _driver_lines(row: Inspection) -> list[list[str]]:
    """Return a line for each endpoint; what is true of the whole driver stands in the first."""
    whole = [str(row.owed), age(row.owed_since)]
    if not row.endpoints:
        return [[row.name, row.policy, "", "", row.state, row.version, "", *whole, row.reason]]
    lines = []
    for number, seen in enumerate(row.endpoints):
        state, reason = (row.state, row.reason) if row.quarantine else (seen.condition, seen.reason)
        first = number == 0
        lines.append(
            [
                row.name if first else "",
                row.policy if first else "",
                seen.endpoint,
                "serves" if seen.serves else "",
                state,
                seen.version or (row.version if first else ""),
                _state_version(row.state_version, seen.writes_state_version),
                *(whole if first else ["", ""]),
                reason,
            ]
        )
    return lines


def _state_version(pinned: int | None, writes: int | None) -> str:
    """Return the stored version of state, and the newer one that waits for the operator."""
    if pinned is None:
        return ""
    return f"{pinned} (writes {writes})" if writes is not None and writes > pinned else str(pinned)


def _until(at: datetime | None) -> str:
    """Return when something is tried again."""
    if at is None:
        return ""
    left = (at - now()).total_seconds()
    return f"in {duration(left)}" if left > 0 else "now"
