"""``jackfield delivery``: what drivers are still owed, and how to have it tried at once."""

from typing import Annotated

import typer

from jackfield_core.cli.asking import ask_drivers, operator_settings
from jackfield_core.cli.console import counted, print_json
from jackfield_core.cli.options import ConfigOption, JsonOption, LimitOption, StateOption, words
from jackfield_core.cli.tables import print_deliveries
from jackfield_core.types import Kind

commands = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Look at what drivers are still owed, and have it tried at once."
)

OfDriver = Annotated[str | None, typer.Option("--driver", callback=words, help="Only what this driver is owed.")]
OfResource = Annotated[
    str | None, typer.Option("--resource", callback=words, help="Only debts for the resource of this id.")
]


@commands.command("list")
@commands.command("ls", hidden=True)
def delivery_list(
    config_file: ConfigOption = None,
    json: JsonOption = False,
    of_driver: OfDriver = None,
    resource: OfResource = None,
    state: StateOption = None,
    limit: LimitOption = 1000,
) -> None:
    """Show what is owed to drivers, the oldest debt first, each with its state.

    pending: not tried so far. in_progress: the driver is at it. retrying: it
    failed, and is tried again soon. refused: the driver says that it cannot
    be as it stands. ending: the end of something deleted. held: on a device
    and known to nobody, waits for an operator. unknown: the driver is away.
    """
    settings = operator_settings(config_file)
    found = ask_drivers(
        settings,
        lambda service, ctx: service.pending(ctx, of_driver, id=resource, states=[*(state or ())], limit=limit),
    )
    print_deliveries(found, json=json)


@commands.command("retry")
def delivery_retry(
    of_driver: OfDriver = None,
    kind: Annotated[Kind | None, typer.Option(help="Only debts for resources of this kind.")] = None,
    resource: OfResource = None,
    config_file: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Have debts tried now that wait for their next attempt.

    After you have mended what a driver complained of: a debt that was refused
    is tried again by itself only after half an hour, one that failed often
    after minutes. Ends with 1 if no debt was waiting.
    """
    count = ask_drivers(
        operator_settings(config_file), lambda service, ctx: service.retry(ctx, of_driver, kind or "", resource or "")
    )
    if json:
        print_json({"retried": count})
    else:
        typer.echo(f"Due now: {counted(count, 'debt')}." if count else "No debt waits for its next attempt.")
    if not count:
        raise typer.Exit(1)
