"""``jackfield serve``: the core itself."""

from typing import Annotated

import typer

from jackfield_core.app import Application
from jackfield_core.cli.console import end
from jackfield_core.cli.database import expect_schema, upgrade
from jackfield_core.cli.options import ConfigOption
from jackfield_core.cli.server import run
from jackfield_core.cli.settings import read_settings
from jackfield_core.observability import logging

commands = typer.Typer(add_completion=False)


@commands.command()
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
        upgrade(settings)
    expect_schema(settings)
    try:
        run(Application(settings))
    except OSError as error:
        end(f"cannot serve: {error}")
