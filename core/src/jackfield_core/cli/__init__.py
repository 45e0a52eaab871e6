"""The command ``jackfield``: serve, look, and keep the database in shape.

Each command has a module of this package, which is imported when the command is
called and not before: help answers at once, and who only looks at the ledger
does not load the API.
"""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from jackfield_core.cli.deferred import Deferred

COMMANDS = {
    "serve": "Serve the Neutron API, deliver to drivers, and feed node agents.",
    "check-config": "Read the settings as `serve` would, and print them with everything that is defaulted.",
    "db": "Create and upgrade the database.",
    "driver": "Look at the mechanism drivers, and manage their life.",
    "delivery": "Look at what drivers are still owed, and have it tried at once.",
}
"""Each command with its line in help."""


class _Commands(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, line in COMMANDS.items():
            self.add_command(Deferred(name, line))


cli = typer.Typer(name="jackfield", cls=_Commands, no_args_is_help=True, add_completion=False)


def main() -> None:
    """Run the command line."""
    cli()


def _print_version(is_asked: bool) -> None:
    if is_asked:
        # Nothing else needs it, and it takes as long as all the rest of this module.
        from importlib.metadata import version

        typer.echo(f"jackfield {version('jackfield-core')}")
        raise typer.Exit


@cli.callback()
def jackfield(
    is_version_asked: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """A modular layer-2 network control plane."""
