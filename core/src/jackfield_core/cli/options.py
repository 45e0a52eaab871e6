"""What commands have in common to be told: arguments and options, each with its help."""

from pathlib import Path
from typing import Annotated

import typer

from jackfield_core.db.delivery_state import DeliveryState

LARGEST_LIMIT = (1 << 31) - 1
"""As in the lists of the API: more than anybody reads, and a number that both databases take."""


def words(text: str | None) -> str | None:
    """Return *text* of an argument, if it is text: bytes that are no UTF-8 arrive as lone surrogates."""
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("it is not UTF-8") from None
    return text


ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", envvar="JACKFIELD_CONFIG", help="TOML file; variables JACKFIELD_… override it."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
DriverArgument = Annotated[
    str, typer.Argument(metavar="NAME", callback=words, help="Name of the driver, as in the settings.")
]
LimitOption = Annotated[int, typer.Option(min=1, max=LARGEST_LIMIT, help="Rows at most.")]
StateOption = Annotated[
    list[DeliveryState] | None, typer.Option(help="Only what is in this state; repeat for several.")
]
