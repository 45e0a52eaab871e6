"""``jackfield driver resync``: ask for a comparison with the devices, and watch it through.

A dispatcher compares and repairs, so that the command can be interrupted and
nothing is lost by it. The command only looks at the database: first for the
audit, then until what the driver is owed is paid or has failed.
"""

import asyncio
import time
from typing import Annotated

import typer
from msgspec import Struct

from jackfield_core.api.schemas.driver import plain
from jackfield_core.cli.asking import ask_drivers, operator_settings
from jackfield_core.cli.console import Step, confirm, counted, print_json, progress
from jackfield_core.cli.options import ConfigOption, DriverArgument, JsonOption, YesOption
from jackfield_core.cli.tables import differing
from jackfield_core.config import Settings
from jackfield_core.context import RequestContext
from jackfield_core.db.driver_audit import DriverAudit
from jackfield_core.errors import Conflict, DriverUnavailable
from jackfield_core.services.driver import Asked, DriverService

LOOK_EVERY = 0.2
"""Seconds between looks at the database."""
BEGIN_WITHIN = 3.0
"""Seconds in which a dispatcher begins, unless the driver is away or somebody compares it already."""
GIVE_UP_AFTER = 15.0
"""Seconds after which there seems to be no dispatcher."""
SECOND_CHANCE = 5.0
"""Seconds to wait for debts that have all failed: some do better at the second attempt."""

resyncing = typer.Typer()


class Resynced(Struct, frozen=True):
    """What came of a resync: the audit, and what is still *owed* to the driver, of which *failing* was tried.

    *agreed_orphans* were held, and the operator has agreed to their removal.
    """

    driver: str
    audit: DriverAudit
    owed: int
    failing: int
    agreed_orphans: int

    @property
    def is_whole(self) -> bool:
        """True if device and database agree now, as far as anybody can see."""
        return not (self.owed or self.audit.held_orphans) and self.audit.outcome != "partial"


@resyncing.command("resync")
def driver_resync(
    name: DriverArgument,
    remove_orphans: Annotated[
        bool, typer.Option("--remove-orphans", help="Remove the orphans that are held now, however many.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--everything", help="Owe the driver all of it again, whatever its devices hold.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the driver is in order.")] = True,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds to wait at most.")] = 600.0,
    yes: YesOption = False,
    config_file: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Compare a driver's devices with the database now, and repair what differs.

    What is missing or was changed by hand is made again. What is marked as
    ours and known to nobody (an orphan) is removed; if that is more than 10 and
    more than 5 % of what is there it is held, and stays held until somebody
    agrees. --remove-orphans agrees to those that are held at this moment, as
    `jackfield driver pending NAME --state held` lists them, and to no others:
    what is found now is held again if it is much. What is not marked as ours is
    not touched. `jackfield driver diff NAME` shows before what would be
    done. A core with the role dispatcher has to run. Ends with 1 if something
    is left to do.
    """
    settings = operator_settings(config_file)
    if remove_orphans:
        confirm(f'Remove from the devices of driver "{name}" the orphans that are held now?', is_agreed=yes)
    if everything:
        confirm(f'Owe driver "{name}" everything again?', is_agreed=yes)

    async def ask(service: DriverService, ctx: RequestContext) -> Asked:
        return await service.resync(ctx, name, remove_orphans=remove_orphans, everything=everything)

    asked = ask_drivers(settings, ask)
    if wait:
        _see_through(settings, asked, timeout, json=json)
    else:
        _tell_asked(name, json=json)


def _see_through(settings: Settings, asked: Asked, timeout: float, *, json: bool) -> None:
    """Watch a resync for *timeout* seconds at most, and tell what came of it; ends with 1 if something is left."""
    with progress(f"resync of {asked.before.driver}") as step:
        found = ask_drivers(settings, lambda service, ctx: _watched(service, ctx, asked, timeout, step))
    if json:
        print_json({**plain(found), "in_sync": found.is_whole})
    else:
        _tell(found)
    if not found.is_whole:
        raise typer.Exit(1)


async def _watched(service: DriverService, ctx: RequestContext, asked: Asked, timeout: float, step: Step) -> Resynced:
    """Return what came of it once there is nothing left to wait for, or after *timeout* seconds."""
    deadline = time.monotonic() + timeout
    audit, name = asked.before, asked.before.driver
    if asked.is_compared:
        audit = await _audited(service, ctx, audit, deadline)
        if audit.outcome == "failed":
            raise DriverUnavailable(f'driver "{name}" could not be compared: {audit.reason}', driver=name)
    most, progressed_at = 0, time.monotonic()
    while True:
        (lag,) = await service.lag(ctx, name)
        most = max(most, lag.owed)
        step(most - lag.owed, most)
        if lag.owed > lag.failing:
            progressed_at = time.monotonic()
        if not lag.owed or time.monotonic() > min(deadline, progressed_at + SECOND_CHANCE):
            return Resynced(name, audit, lag.owed, lag.failing, asked.agreed_orphans)
        await asyncio.sleep(LOOK_EVERY)


async def _audited(service: DriverService, ctx: RequestContext, before: DriverAudit, deadline: float) -> DriverAudit:
    """Return the audit that was asked for, once it is over."""
    name, asked_at = before.driver, time.monotonic()
    while True:
        audit = await service.audit(ctx, name)
        has_begun = audit.started_at != before.started_at and audit.requested_at is None
        if has_begun and audit.leased_until is None:
            return audit
        waited = time.monotonic() - asked_at
        if not has_begun and waited > BEGIN_WITHIN:
            await _expect_ready(service, ctx, name)
            if waited > GIVE_UP_AFTER:
                raise Conflict(
                    f'nobody has begun to compare driver "{name}": does a core with the role dispatcher run?'
                )
        if time.monotonic() > deadline:
            raise Conflict(f'driver "{name}" is still being compared; see `jackfield driver show {name}`')
        await asyncio.sleep(LOOK_EVERY)


async def _expect_ready(service: DriverService, ctx: RequestContext, name: str) -> None:
    seen = (await service.get(ctx, name)).inspection
    if seen.state != "ready":
        raise Conflict(f'driver "{name}" is {seen.state}: {seen.reason}; it is compared as soon as it answers')


def _tell_asked(name: str, *, json: bool) -> None:
    if json:
        print_json({"driver": name, "requested": True})
        return
    typer.echo(f'Driver "{name}" is compared now; `jackfield driver show {name}` tells what came of it.')


def _tell(found: Resynced) -> None:
    """Print what came of a resync."""
    name, audit = found.driver, found.audit
    if audit.finished_at is not None:
        counts = {"missing": audit.missing, "changed": audit.changed, "orphan": audit.orphans}
        typer.echo(f'Driver "{name}" listed {counted(audit.listed, "resource")}: {differing(counts)}.')
    if found.agreed_orphans:
        typer.echo(f"Removed, as agreed: {counted(found.agreed_orphans, 'orphan')} that had been held.")
    for backend in audit.unreachable:
        typer.echo(f"Not known is what {backend.backend} holds: {backend.reason}")
    if audit.held_orphans:
        typer.echo(
            f"Held: {counted(audit.held_orphans, 'orphan')}. `jackfield driver diff {name}` shows them, "
            f"`jackfield driver resync {name} --remove-orphans` removes them."
        )
    if found.owed:
        left = f"Left: {counted(found.owed, 'debt')}, {found.failing} of them failing"
        typer.echo(f"{left}: see `jackfield driver pending {name}`.")
    if found.is_whole:
        is_seen = audit.finished_at is not None
        typer.echo("Device and database agree." if is_seen else "It has acknowledged everything.")
