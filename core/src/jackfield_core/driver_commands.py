"""``jackfield driver``: look at the mechanism drivers, end a quarantine, finalise an upgrade."""

from typing import Annotated

import msgspec
import typer

from jackfield_core.console import (
    ConfigOption,
    JsonOption,
    age,
    ask_database,
    end,
    expect_schema,
    print_table,
    read_settings,
    zoned,
)
from jackfield_core.finalize import NotFinalized, finalize_driver
from jackfield_core.inspection import Inspection, inspect_drivers, release_driver
from jackfield_core.mechanism.answers import NoVerdict
from jackfield_core.observability import logging

driver = typer.Typer(no_args_is_help=True, help="Look at the mechanism drivers, and manage their life.")


@driver.command("list")
def driver_list(config_file: ConfigOption = None, json: JsonOption = False) -> None:
    """Show every driver: who listens at its addresses, which process serves, what is it owed.

    Asks the drivers themselves and changes nothing. With two endpoints each
    has a line; "serves" marks the one that gets the calls. States: ready;
    draining (takes nothing new); unfit (answers, and must not be called: the
    last column says why); not reachable; quarantined (its answers broke the
    contract, see `jackfield driver release --help`).
    """
    settings = read_settings(config_file)
    logging.configure(settings.logging.model_copy(update={"level": "ERROR"}))
    expect_schema(settings)
    rows = ask_database(inspect_drivers(settings))
    if json:
        typer.echo(msgspec.json.encode([zoned(msgspec.structs.asdict(row)) for row in rows]).decode())
        return
    print_table(
        ["name", "policy", "endpoint", "", "state", "version", "state version", "owed", "oldest debt", "reason"],
        [line for row in rows for line in _driver_lines(row)],
    )


@driver.command("release")
def driver_release(
    name: Annotated[str, typer.Argument(help="Name of the driver, as in the settings.")],
    config_file: ConfigOption = None,
) -> None:
    """Let a quarantined driver be called again.

    A driver is quarantined when three of its answers within ten minutes broke
    the contract. From then on nothing but its handshake and its health is
    asked for; what it is owed is kept, and if it is `required`, changes that
    it would judge are refused. Starting another version of it ends the
    quarantine by itself; this command ends it for the same version. All core
    processes follow within a second.
    """
    settings = read_settings(config_file)
    expect_schema(settings)
    if name not in {driver.name for driver in settings.drivers}:
        end(f'there is no driver "{name}" in the settings')
    before = ask_database(release_driver(settings, name))
    if before is None or before.quarantined_at is None:
        typer.echo(f'Driver "{name}" was not quarantined.')
        return
    typer.echo(f'Driver "{name}" is released. It was quarantined because: {before.quarantine_reason}')


@driver.command("finalize")
def driver_finalize(
    name: Annotated[str, typer.Argument(help="Name of the driver, as in the settings.")],
    config_file: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """End the upgrade of a driver: its stored states go over to its newest version.

    Until then the core keeps them in the version of the release before, so the
    driver can be rolled back; afterwards it cannot. Run it when the new release
    has proved itself. It can be interrupted and run again, and everything
    serves meanwhile. Ends with 1 if the driver could not read some states:
    those are kept as they are, and listed.
    """
    settings = read_settings(config_file)
    logging.configure(settings.logging.model_copy(update={"level": "ERROR"}))
    expect_schema(settings)
    if name not in {driver.name for driver in settings.drivers}:
        end(f'there is no driver "{name}" in the settings')
    try:
        outcome = ask_database(finalize_driver(settings, name, _print_progress))
    except (NotFinalized, NoVerdict) as error:
        end(str(error))
    if json:
        typer.echo(msgspec.json.encode(outcome).decode())
    else:
        typer.echo(
            f'Driver "{name}" keeps its states in version {outcome.version}; {outcome.rewritten} were rewritten.'
        )
        for kept in outcome.kept:
            typer.echo(f"not readable: {kept.kind} {kept.resource_id}, version {kept.version}: {kept.reason}")
    if outcome.kept:
        raise typer.Exit(1)


def _print_progress(seen: int, total: int) -> None:
    if total:
        typer.echo(f"{seen} of {total} states", err=True)


def _driver_lines(row: Inspection) -> list[list[str]]:
    """Return a line for each endpoint; what is true of the whole driver stands in the first."""
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
                str(row.owed) if first else "",
                age(row.owed_since) if first else "",
                reason,
            ]
        )
    return lines


def _state_version(pinned: int | None, writes: int | None) -> str:
    """Return the stored version of state, and the newer one that waits for the operator."""
    if pinned is None:
        return ""
    return f"{pinned} (writes {writes})" if writes is not None and writes > pinned else str(pinned)
