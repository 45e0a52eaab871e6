"""The command `jackfield-ovs`: the driver beside the core, the agent on a host.

Both read one TOML file: `[driver]` is for the one, `[agent]` and `[ovs]` for the other.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from jackfield_sdk import AgentSettings, ServerSettings, run_agent, serve
from pydantic import ValidationError

from jackfield_ovs.agent import OvsAgent
from jackfield_ovs.driver import OvsDriver
from jackfield_ovs.settings import load, read_table

main = typer.Typer(
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

SettingsT = TypeVar("SettingsT")
Config = Annotated[Path | None, typer.Option(help="TOML file; the environment overrules it.", exists=True)]


@main.command()
def driver(config: Config = None) -> None:
    """Serve the mechanism driver to the core."""
    settings = _checked("driver", lambda: ServerSettings(**read_table(config, "driver", "JACKFIELD_DRIVER_")))
    serve(OvsDriver(), settings)


@main.command()
def agent(config: Config = None) -> None:
    """Wire the ports of one Open vSwitch as the core says."""
    link = _checked("agent", lambda: AgentSettings(**read_table(config, "agent", "JACKFIELD_AGENT_")))
    settings = _checked("ovs", lambda: load(config))
    run_agent(OvsAgent(settings), link)


def _checked(table: str, read: Callable[[], SettingsT]) -> SettingsT:
    """Return the settings of *table*, or end with a line for each field that is wrong."""
    try:
        return read()
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, [table, *one['loc']]))}: {_fact(one['msg'])}" for one in error.errors()]
        raise SystemExit("jackfield-ovs: the settings are not valid:\n  " + "\n  ".join(faults)) from error
    except ValueError as error:
        raise SystemExit(f"jackfield-ovs: {error}") from error


def _fact(message: str) -> str:
    return message.removeprefix("Value error, ")


if __name__ == "__main__":
    main()
