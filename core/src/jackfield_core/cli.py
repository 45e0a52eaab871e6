"""The command ``jackfield``: serve, look, and keep the database in shape."""

import asyncio
import sys
import tomllib
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import msgspec
import pydantic
import sqlalchemy.exc
import typer
from pydantic_settings import SettingsError
from rich.console import Console
from rich.table import Table
from sqlalchemy.engine import make_url

from jackfield_core import config
from jackfield_core.app import Application
from jackfield_core.db import migrate
from jackfield_core.db.base import now
from jackfield_core.db.delivery import Debt, DeliveryTable
from jackfield_core.db.engine import Database
from jackfield_core.finalize import NotFinalized, finalize_driver
from jackfield_core.inspection import Inspection, inspect_drivers, release_driver
from jackfield_core.mechanism.answers import NoVerdict
from jackfield_core.observability import logging
from jackfield_core.segments.manager import SegmentManager

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

cli = typer.Typer(name="jackfield", no_args_is_help=True, add_completion=False)
db = typer.Typer(no_args_is_help=True, help="Create and upgrade the database.")
driver = typer.Typer(no_args_is_help=True, help="Look at the mechanism drivers.")
delivery = typer.Typer(no_args_is_help=True, help="Look at what drivers are still owed.")
cli.add_typer(db, name="db")
cli.add_typer(driver, name="driver")
cli.add_typer(delivery, name="delivery")

T = TypeVar("T")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="JACKFIELD_CONFIG", help="TOML file; variables JACKFIELD_… override it."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def main() -> None:
    """Run the command line."""
    cli()


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"jackfield {version('jackfield-core')}")
        raise typer.Exit


@cli.callback()
def jackfield(
    is_version_asked: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """A modular layer-2 network control plane."""


@cli.command()
def serve(
    config_file: ConfigOption = None,
    role: Annotated[
        list[str] | None, typer.Option(help="api, dispatcher or nodes; repeat for several. Default: all three.")
    ] = None,
    migrate_first: Annotated[
        bool, typer.Option("--migrate/--no-migrate", help="Upgrade the database before serving.")
    ] = False,
) -> None:
    """Serve the Neutron API, deliver to drivers, and feed node agents.

    Stops on SIGTERM or SIGINT after requests in flight have ended.
    """
    settings = _settings(config_file, **({"roles": role} if role else {}))
    logging.configure(settings.logging)
    if migrate_first:
        _ask_database(migrate.upgrade(settings.database))
    _expect_schema(settings)
    try:
        Application(settings).run()
    except OSError as error:
        _end(f"cannot serve: {error}")


@cli.command("check-config")
def check_config(config_file: ConfigOption = None, json: JsonOption = False) -> None:
    """Read the settings as `serve` would, and print them with everything that is defaulted."""
    settings = _settings(config_file)
    if json:
        shown = settings.model_dump(mode="json")
        shown["database"]["url"] = _masked(settings.database.url)
        typer.echo(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())
        return
    typer.echo(f"The settings are valid. Drivers: {len(settings.drivers)}, database: {_masked(settings.database.url)}.")
    for warning in _warnings(settings):
        typer.echo(f"warning: {warning}")


@db.command("upgrade")
def db_upgrade(config_file: ConfigOption = None) -> None:
    """Create or upgrade all tables. Running it twice changes nothing."""
    settings = _settings(config_file)
    applied = _ask_database(migrate.upgrade(settings.database))
    for revision in applied:
        typer.echo(f"applied {revision}")
    typer.echo("The database is up to date.")


@driver.command("list")
def driver_list(config_file: ConfigOption = None, json: JsonOption = False) -> None:
    """Show every driver: who listens at its addresses, which process serves, what is it owed.

    Asks the drivers themselves and changes nothing. With two endpoints each
    has a line; "serves" marks the one that gets the calls. States: ready;
    draining (takes nothing new); unfit (answers, and must not be called: the
    last column says why); not reachable; quarantined (its answers broke the
    contract, see `jackfield driver release --help`).
    """
    settings = _settings(config_file)
    logging.configure(settings.logging.model_copy(update={"level": "ERROR"}))
    _expect_schema(settings)
    rows = _ask_database(inspect_drivers(settings))
    if json:
        typer.echo(msgspec.json.encode([_zoned(msgspec.structs.asdict(row)) for row in rows]).decode())
        return
    _print_table(
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
    settings = _settings(config_file)
    _expect_schema(settings)
    if name not in {driver.name for driver in settings.drivers}:
        _end(f'there is no driver "{name}" in the settings')
    before = _ask_database(release_driver(settings, name))
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
    settings = _settings(config_file)
    _expect_schema(settings)
    if name not in {driver.name for driver in settings.drivers}:
        _end(f'there is no driver "{name}" in the settings')
    try:
        outcome = _ask_database(finalize_driver(settings, name, _print_progress))
    except (NotFinalized, NoVerdict) as error:
        _end(str(error))
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


@delivery.command("list")
def delivery_list(
    config_file: ConfigOption = None,
    json: JsonOption = False,
    of_driver: Annotated[str | None, typer.Option("--driver", help="Only what this driver is owed.")] = None,
    resource: Annotated[str | None, typer.Option("--resource", help="Only debts for the resource of this id.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 1000,
) -> None:
    """Show what is owed to drivers, the oldest debt first."""
    settings = _settings(config_file)
    _expect_schema(settings)
    debts = _ask_database(_debts(settings, of_driver, resource, limit))
    if json:
        typer.echo(msgspec.json.encode([_debt(debt) for debt in debts]).decode())
        return
    _print_table(
        ["driver", "kind", "id", "acknowledged", "desired", "attempts", "owed for", "reason"],
        [
            [
                debt.driver,
                debt.kind,
                debt.resource_id,
                "never" if debt.acknowledged_revision is None else str(debt.acknowledged_revision),
                "gone" if debt.tombstone else str(debt.desired_revision),
                str(debt.attempts),
                _age(debt.owed_since),
                debt.message,
            ]
            for debt in debts
        ],
    )


async def _debts(settings: config.Settings, driver: str | None, resource: str | None, limit: int) -> Sequence[Debt]:
    database = Database(settings.database)
    try:
        async with database.reading() as connection:
            return await DeliveryTable(connection).list(driver=driver, resource_id=resource, limit=limit)
    finally:
        await database.close()


def _settings(path: Path | None, **overrides: Any) -> config.Settings:
    """Read the settings, or end with a sentence that the operator can act on."""
    try:
        settings = config.load(path, **overrides)
        # What ranges and types mean is known to the type drivers only.
        SegmentManager(settings.segments)
    except OSError as error:
        _end(f"cannot read {path}: {error.strerror}")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        _end(f"{path} is not TOML: {error}")
    except SettingsError as error:
        _end(f"a variable JACKFIELD_… is not valid: {error}")
    except pydantic.ValidationError as error:
        _end("the settings are not valid:\n  " + "\n  ".join(map(_fault, error.errors())))
    except ValueError as error:
        _end(f"the settings are not valid:\n  {error}")
    return settings


def _fault(error: "ErrorDetails") -> str:
    """Return a line that names the field and the fact."""
    return f"{'.'.join(map(str, error['loc'])) or 'settings'}: {error['msg'].removeprefix('Value error, ')}"


def _expect_schema(settings: config.Settings) -> None:
    """Go on only with a database of this release."""
    if pending := _ask_database(migrate.pending(settings.database)):
        _end(f"the database lacks the migrations {', '.join(pending)}: run `jackfield db upgrade`")


def _ask_database(question: Coroutine[Any, Any, T]) -> T:
    """Return the answer, or end with what the database said."""
    try:
        return asyncio.run(question)
    except migrate.UnknownRevision as error:
        _end(str(error))
    except (OSError, sqlalchemy.exc.SQLAlchemyError) as error:
        reason = getattr(error, "orig", None) or error
        _end(f"the database does not answer: {reason}")


def _end(message: str) -> NoReturn:
    typer.echo(f"jackfield: {message}", err=True)
    raise typer.Exit(2)


def _warnings(settings: config.Settings) -> list[str]:
    warnings = []
    if not settings.api.listen.startswith(("127.", "localhost:", "[::1]", "unix:")):
        warnings.append(f"api.listen is {settings.api.listen}: there is no authentication, everybody there is admin")
    if not settings.drivers:
        warnings.append("there are no drivers: ports stay unbound")
    if settings.database.url.startswith("sqlite") and settings.roles != ["api", "dispatcher", "nodes"]:
        warnings.append("roles are split, but SQLite serves one process; use PostgreSQL")
    return warnings


def _print_progress(seen: int, total: int) -> None:
    if total:
        typer.echo(f"{seen} of {total} states", err=True)


def _masked(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)


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
                _age(row.owed_since) if first else "",
                reason,
            ]
        )
    return lines


def _state_version(pinned: int | None, writes: int | None) -> str:
    """Return the stored version of state, and the newer one that waits for the operator."""
    if pinned is None:
        return ""
    return f"{pinned} (writes {writes})" if writes is not None and writes > pinned else str(pinned)


def _debt(debt: Debt) -> dict[str, Any]:
    """Return what a script may see of a debt: driver states and originals are not among it."""
    hidden = {"state", "original", "claim"}
    return _zoned({name: getattr(debt, name) for name in debt.__struct_fields__ if name not in hidden})


def _zoned(values: dict[str, Any]) -> dict[str, Any]:
    """Say of times that they are UTC, which the database leaves out."""
    return {name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for name, value in values.items()}


def _age(since: datetime | None) -> str:
    if since is None:
        return ""
    seconds = int((now() - since).total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    # A pipe has no width; a table cut at 80 columns is of no use to grep.
    Console(width=None if sys.stdout.isatty() else 240).print(table)
