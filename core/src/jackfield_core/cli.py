"""The command ``jackfield``: serve, look, and keep the database in shape."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Any

import msgspec
import typer
from sqlalchemy.engine import make_url

from jackfield_core import config
from jackfield_core.app import Application
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
from jackfield_core.db import migrate
from jackfield_core.db.delivery import Debt, DeliveryTable
from jackfield_core.db.engine import Database
from jackfield_core.driver_commands import driver
from jackfield_core.observability import logging

cli = typer.Typer(name="jackfield", no_args_is_help=True, add_completion=False)
db = typer.Typer(no_args_is_help=True, help="Create and upgrade the database.")
delivery = typer.Typer(no_args_is_help=True, help="Look at what drivers are still owed.")
cli.add_typer(db, name="db")
cli.add_typer(driver, name="driver")
cli.add_typer(delivery, name="delivery")


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
    settings = read_settings(config_file, **({"roles": role} if role else {}))
    logging.configure(settings.logging)
    if migrate_first:
        ask_database(migrate.upgrade(settings.database))
    expect_schema(settings)
    try:
        Application(settings).run()
    except OSError as error:
        end(f"cannot serve: {error}")


@cli.command("check-config")
def check_config(config_file: ConfigOption = None, json: JsonOption = False) -> None:
    """Read the settings as `serve` would, and print them with everything that is defaulted."""
    settings = read_settings(config_file)
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
    settings = read_settings(config_file)
    applied = ask_database(migrate.upgrade(settings.database))
    for revision in applied:
        typer.echo(f"applied {revision}")
    typer.echo("The database is up to date.")


@delivery.command("list")
def delivery_list(
    config_file: ConfigOption = None,
    json: JsonOption = False,
    of_driver: Annotated[str | None, typer.Option("--driver", help="Only what this driver is owed.")] = None,
    resource: Annotated[str | None, typer.Option("--resource", help="Only debts for the resource of this id.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 1000,
) -> None:
    """Show what is owed to drivers, the oldest debt first."""
    settings = read_settings(config_file)
    expect_schema(settings)
    debts = ask_database(_debts(settings, of_driver, resource, limit))
    if json:
        typer.echo(msgspec.json.encode([_debt(debt) for debt in debts]).decode())
        return
    print_table(
        ["driver", "kind", "id", "acknowledged", "desired", "attempts", "owed for", "reason"],
        [
            [
                debt.driver,
                debt.kind,
                debt.resource_id,
                "never" if debt.acknowledged_revision is None else str(debt.acknowledged_revision),
                "gone" if debt.tombstone else str(debt.desired_revision),
                str(debt.attempts),
                age(debt.owed_since),
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


def _warnings(settings: config.Settings) -> list[str]:
    warnings = []
    if not settings.api.listen.startswith(("127.", "localhost:", "[::1]", "unix:")):
        warnings.append(f"api.listen is {settings.api.listen}: there is no authentication, everybody there is admin")
    if not settings.drivers:
        warnings.append("there are no drivers: ports stay unbound")
    if settings.database.url.startswith("sqlite") and settings.roles != ["api", "dispatcher", "nodes"]:
        warnings.append("roles are split, but SQLite serves one process; use PostgreSQL")
    return warnings


def _masked(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)


def _debt(debt: Debt) -> dict[str, Any]:
    """Return what a script may see of a debt: driver states and originals are not among it."""
    hidden = {"state", "original", "claim"}
    return zoned({name: getattr(debt, name) for name in debt.__struct_fields__ if name not in hidden})
