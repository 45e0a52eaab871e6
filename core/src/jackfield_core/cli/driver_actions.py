"""``jackfield driver``, the commands that change something: each leaves a line that ``jackfield driver show`` shows."""

from typing import Annotated

import typer

from jackfield_core.api.schemas.driver import plain
from jackfield_core.cli.asking import ask_drivers, operator_settings
from jackfield_core.cli.console import confirm, counted, print_json, progress
from jackfield_core.cli.driver_resync import resyncing
from jackfield_core.cli.options import ConfigOption, DriverArgument, JsonOption, YesOption, words
from jackfield_core.types import Kind

actions = typer.Typer()
actions.add_typer(resyncing)

KindOption = Annotated[Kind | None, typer.Option(help="Only debts for resources of this kind.")]
IdOption = Annotated[
    str | None, typer.Option("--id", callback=words, help="Only the debt for the resource of this id.")
]


@actions.command("quarantine")
def driver_quarantine(
    name: DriverArgument,
    reason: Annotated[str, typer.Option(callback=words, help="Why: users who need the driver are told.")],
    config_file: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Forbid every call to a driver, until `jackfield driver release`.

    For maintenance of its devices, or a driver that does harm. What it is owed
    is kept. If it is `required`, changes that it would judge are refused with
    the reason. No handshake ends it, not even that of another version. All
    core processes follow within a second; a call under way is not broken off.
    """
    ask_drivers(operator_settings(config_file), lambda service, ctx: service.quarantine(ctx, name, reason))
    if json:
        print_json({"driver": name, "reason": reason})
        return
    typer.echo(f'Driver "{name}" is in quarantine. `jackfield driver release {name}` ends that.')


@actions.command("release")
def driver_release(name: DriverArgument, config_file: ConfigOption = None, json: JsonOption = False) -> None:
    """Let a quarantined driver be called again.

    A driver is quarantined when three of its answers within ten minutes broke
    the contract, or by an operator. From then on nothing but its handshake and
    its health is asked for; what it is owed is kept, and if it is `required`,
    changes that it would judge are refused. If it broke the contract, another
    version of it ends the quarantine by itself; this command ends it for the
    same version. All core processes follow within a second.
    """
    reason = ask_drivers(operator_settings(config_file), lambda service, ctx: service.release(ctx, name))
    if json:
        print_json({"driver": name, "released": reason is not None, "reason": reason})
    elif reason is None:
        typer.echo(f'Driver "{name}" was not quarantined.')
    else:
        typer.echo(f'Driver "{name}" is released. It was quarantined because: {reason}')


@actions.command("finalize")
def driver_finalize(name: DriverArgument, config_file: ConfigOption = None, json: JsonOption = False) -> None:
    """End the upgrade of a driver: its stored states go over to its newest version.

    Until then the core keeps them in the version of the release before, so the
    driver can be rolled back; afterwards it cannot. Run it when the new release
    has proved itself. It can be interrupted and run again, and everything
    serves meanwhile. Ends with 1 if the driver could not read some states:
    those are kept as they are, and listed.
    """
    settings = operator_settings(config_file)
    with progress(f"states of {name}") as step:
        outcome = ask_drivers(settings, lambda service, ctx: service.finalize(ctx, name, step))
    if json:
        print_json(plain(outcome))
    else:
        typer.echo(
            f'Driver "{name}" keeps its states in version {outcome.version}; {outcome.rewritten} were rewritten.'
        )
        for kept in outcome.kept:
            typer.echo(f"not readable: {kept.kind} {kept.resource_id}, version {kept.version}: {kept.reason}")
    if outcome.kept:
        raise typer.Exit(1)


@actions.command("forget")
def driver_forget(
    name: DriverArgument,
    kind: KindOption = None,
    id: IdOption = None,
    yes: YesOption = False,
    config_file: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Give up what a driver is owed: for devices that are gone for good.

    What was deleted and only waited for this driver goes, and its segments and
    addresses return to their pools. If the device lives after all, what it
    still holds is found by the next audit; until then somebody else may be
    given the same VLAN or address. What is not deleted is `forgotten`: it is
    owed to the driver again with its next change or its end, by an audit that
    finds it missing, or when the driver introduces itself. An orphan stays on
    its device until an audit finds it again.
    """
    settings = operator_settings(config_file)
    what = " ".join(filter(None, ["all that", f'driver "{name}" is owed', f"for {kind}s" if kind else "", id or ""]))
    confirm(f"Give up {what}? Its devices will not be told.", is_agreed=yes)
    with progress(f"debts to {name}") as step:
        given = ask_drivers(settings, lambda service, ctx: service.forget(ctx, name, kind or "", id or "", step))
    if json:
        print_json({"driver": name, **plain(given)})
        return
    orphans = f", {given.orphans} for orphans on its devices" if given.orphans else ""
    ends = f"{given.ends} for what was deleted"
    typer.echo(f'Forgotten: {counted(given.debts, "debt")} to driver "{name}", {ends}{orphans}.')
