"""The command ``jackfield``: serve, look, and keep the database in shape."""

import os
from importlib.metadata import version
from typing import Annotated

import msgspec
import typer
from sqlalchemy.engine import make_url

from jackfield_core import config
from jackfield_core.app import Application
from jackfield_core.console import (
    ConfigOption,
    JsonOption,
    ask_database,
    end,
    expect_schema,
    read_settings,
)
from jackfield_core.db import migrate
from jackfield_core.delivery_commands import delivery
from jackfield_core.driver_commands import driver
from jackfield_core.observability import logging

cli = typer.Typer(name="jackfield", no_args_is_help=True, add_completion=False)
db = typer.Typer(no_args_is_help=True, help="Create and upgrade the database.")
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
    notifiers = f"notifiers: {len(settings.notifiers)}, " if settings.notifiers else ""
    typer.echo(
        f"The settings are valid. Drivers: {len(settings.drivers)}, {notifiers}"
        f"database: {_masked(settings.database.url)}."
    )
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


def _warnings(settings: config.Settings) -> list[str]:
    warnings = []
    if not settings.api.listen.startswith(("127.", "localhost:", "[::1]", "unix:")):
        warnings.append(f"api.listen is {settings.api.listen}: there is no authentication, everybody there is admin")
    if not settings.drivers:
        warnings.append("there are no drivers: ports stay unbound")
    if settings.database.url.startswith("sqlite") and settings.roles != ["api", "dispatcher", "nodes"]:
        warnings.append("roles are split, but SQLite serves one process; use PostgreSQL")
    return [*warnings, *(warning for notifier in settings.notifiers for warning in _token_warnings(notifier))]


def _token_warnings(notifier: config.Notifier) -> list[str]:
    """Return what an operator may not have meant about the token of a notifier."""
    name = f'notifier "{notifier.name}"'
    warnings = []
    if not (notifier.token_file or notifier.token_env):
        warnings.append(f"{name} has neither token_file nor token_env: it tells its events without a token")
    elif notifier.url.startswith("http:"):
        warnings.append(f"{name} sends its token without encryption: its url begins with http:")
    if notifier.token_file and not os.access(notifier.token_file, os.R_OK):
        warnings.append(f"{name}: there is no readable file {notifier.token_file}, which shall hold its token")
    if notifier.token_env and not os.environ.get(notifier.token_env):
        warnings.append(
            f"{name}: the environment variable {notifier.token_env}, which shall hold its token, is not set"
        )
    return warnings


def _masked(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)
