"""The command ``jackfield-arista``."""

from typing import Annotated

import typer
from jackfield_sdk import ServerSettings, serve

from jackfield_arista.driver import AristaDriver

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="Jackfield for Arista EOS (skeleton).")


@cli.callback()
def group() -> None:
    """Jackfield for Arista EOS. A skeleton: it starts and introduces itself, and drives no device yet."""


@cli.command()
def driver(
    listen: Annotated[
        str, typer.Option(help="unix:///path or address:port to serve the core on.")
    ] = "unix:///run/jackfield/arista.sock",
) -> None:
    """Serve the mechanism driver until SIGTERM."""
    serve(AristaDriver(), ServerSettings(listen=listen))


def main() -> None:
    """Run the command line."""
    cli()


if __name__ == "__main__":
    main()
