"""The command ``jackfield-linuxbridge``."""

from typing import Annotated

import typer
from jackfield_sdk import ServerSettings, serve

from jackfield_linuxbridge.driver import LinuxBridgeDriver

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="Jackfield for Linux bridge (skeleton).")


@cli.callback()
def group() -> None:
    """Jackfield for Linux bridge. A skeleton: it starts and introduces itself, and drives no device yet."""


@cli.command()
def driver(
    listen: Annotated[
        str, typer.Option(help="unix:///path or address:port to serve the core on.")
    ] = "unix:///run/jackfield/linuxbridge.sock",
) -> None:
    """Serve the mechanism driver until SIGTERM."""
    serve(LinuxBridgeDriver(), ServerSettings(listen=listen))


def main() -> None:
    """Run the command line."""
    cli()


if __name__ == "__main__":
    main()
