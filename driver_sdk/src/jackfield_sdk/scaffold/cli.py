"""`jackfield-sdk`: begin a driver project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jackfield_sdk.scaffold.project import CannotWrite, write_project

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, rich_markup_mode=None)

_EPILOGUE = """
Example:

\b
  jackfield-sdk new acme
  cd acme
  pip install -e '.[test]'
  pytest
  jackfield-acme

The driver of the example is called "acme" in the core's configuration:

\b
  [[drivers]]
  name = "acme"
  endpoint = "unix:///run/jackfield/acme.sock"
"""


def main() -> None:
    """Run `jackfield-sdk`."""
    app()


@app.callback()
def sdk() -> None:
    """Write a Jackfield mechanism driver."""


@app.command(epilog=_EPILOGUE, short_help="Write a driver project that runs and conforms.")
def new(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help='Name of the driver: lower case letters, digits and hyphens, as "acme" or "acme-evpn".'
        ),
    ],
    directory: Annotated[
        Path | None,
        typer.Option(help="Where to write the project; by default a new folder NAME. It must be new or empty."),
    ] = None,
) -> None:
    """Write a driver project that runs, is tested and conforms, to be filled with your device.

    The project drives a directory instead of a device: every network and port is a file. `device.py`
    is the only file that knows this, and the first that you replace. `plan.py` says what the device
    shall hold, `driver.py` is the hooks that the core calls. The tests call the driver as the core
    does, and prove it with `jackfield-conformance`.
    """
    target = directory or Path(name)
    try:
        written = write_project(name, target)
    except CannotWrite as error:
        typer.echo(f"jackfield-sdk: {error}", err=True)
        raise typer.Exit(1) from None
    for path in written:
        typer.echo(path)
    typer.echo(f"\nNext: cd {target} && pip install -e '.[test]' && pytest")
