"""``jackfield db``: the tables of this release."""

import typer

from jackfield_core.cli.database import upgrade
from jackfield_core.cli.options import ConfigOption
from jackfield_core.cli.settings import read_settings

commands = typer.Typer(add_completion=False, no_args_is_help=True, help="Create and upgrade the database.")


@commands.callback()
def db() -> None:
    """Create and upgrade the database."""


@commands.command("upgrade")
def db_upgrade(config_file: ConfigOption = None) -> None:
    """Create or upgrade all tables. Running it twice changes nothing."""
    settings = read_settings(config_file)
    for revision in upgrade(settings):
        typer.echo(f"applied {revision}")
    typer.echo("The database is up to date.")
