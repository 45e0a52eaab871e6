"""``jackfield driver``: look at the mechanism drivers; what changes something is in ``driver_actions``.

Every command works on the database and the drivers' addresses of the settings,
so it does not matter whether a core runs.
"""

from typing import Annotated

import typer

from jackfield_core.api.schemas import driver as schema
from jackfield_core.cli.asking import ask_drivers, operator_settings
from jackfield_core.cli.console import print_json, progress
from jackfield_core.cli.driver_actions import actions
from jackfield_core.cli.options import ConfigOption, DriverArgument, JsonOption, LimitOption, StateOption, words
from jackfield_core.cli.tables import print_deliveries, print_driver, print_drivers, print_lags, print_report
from jackfield_core.db.base import now

commands = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Look at the mechanism drivers, and manage their life.\n\n"
    "Commands end with 0; with 1 if they did their work and something is not as it should be; with 2 if they could "
    "not do it. NAME is that of a driver, as in the settings.",
)
commands.add_typer(actions)


@commands.command("ls")
@commands.command("list", hidden=True)
def driver_ls(config_file: ConfigOption = None, json: JsonOption = False) -> None:
    """Show every driver: who listens at its addresses, which process serves, what is it owed.

    Asks the drivers themselves and changes nothing. With two endpoints each
    has a line; "serves" marks the one that gets the calls. States: ready;
    draining (takes nothing new); unfit (answers, and must not be called: the
    last column says why); not reachable; quarantined (see `jackfield driver
    release --help`); not in the settings (it was removed there, and is still
    owed something: see `jackfield driver forget --help`).
    """
    drivers = ask_drivers(operator_settings(config_file), lambda service, ctx: service.list(ctx))
    if json:
        print_json([schema.driver(one) for one in drivers])
        return
    print_drivers(drivers)


@commands.command("show")
def driver_show(name: DriverArgument, config_file: ConfigOption = None, json: JsonOption = False) -> None:
    """Show all that there is to know of a driver.

    Its addresses, what it is owed, what its last audit found on the devices,
    and what operators did to it lately.
    """
    found = ask_drivers(operator_settings(config_file), lambda service, ctx: service.get(ctx, name))
    if json:
        print_json(schema.detail(found))
        return
    print_driver(found)


@commands.command("lag")
def driver_lag(
    name: Annotated[str | None, typer.Argument(metavar="NAME", callback=words, help="Only this driver.")] = None,
    over: Annotated[
        float | None, typer.Option(min=0, help="End with 1 if a debt is older than so many seconds.")
    ] = None,
    config_file: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show how far drivers are behind: how many debts, and how old the oldest is.

    Failing debts were tried in vain and are tried again; refused ones wait for
    a change of the resource; "in progress" is what a driver is at; "ending" is
    the end of something deleted, whose addresses and segments are taken until
    then. `jackfield driver pending NAME` shows the debts themselves.
    """
    lags = ask_drivers(operator_settings(config_file), lambda service, ctx: service.lag(ctx, name))
    if json:
        print_json([schema.lag(one) for one in lags])
    else:
        print_lags(lags)
    at = now()
    if over is not None and any(one.age(at) > over for one in lags):
        raise typer.Exit(1)


@commands.command("pending")
def driver_pending(
    name: DriverArgument,
    state: StateOption = None,
    limit: LimitOption = 1000,
    config_file: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show what a driver is owed, the oldest debt first, each with its state and the driver's reason.

    Behind them stand orphans that are held: they are on a device, bear our
    mark and are known to nobody; `jackfield driver resync NAME --remove-orphans`
    removes them. The same as `jackfield delivery list --driver NAME`.
    """
    settings = operator_settings(config_file)
    found = ask_drivers(settings, lambda service, ctx: service.pending(ctx, name, states=[*(state or ())], limit=limit))
    print_deliveries(found, json=json)


@commands.command("diff")
def driver_diff(
    name: DriverArgument,
    id: Annotated[
        str | None, typer.Argument(metavar="ID", callback=words, help="Only the resource of this id.")
    ] = None,
    config_file: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show what differs between a driver's devices and the database: a dry run, which changes nothing.

    missing: it should be there. changed: somebody changed it by hand. orphan:
    it bears our mark and nobody knows it. owed: it is not delivered yet. Below
    each stands what the driver would do, and to which device. With ID only
    what it would do for that resource. What is not ours is never shown. Ends
    with 1 if something differs or could not be found out. `jackfield driver
    resync NAME` repairs it.
    """
    settings = operator_settings(config_file)
    with progress(f"listing of {name}") as step:
        found = ask_drivers(settings, lambda service, ctx: service.diff(ctx, name, id, step))
    if json:
        print_json(schema.report(found))
    else:
        print_report(found)
    if not found.is_in_sync:
        raise typer.Exit(1)
