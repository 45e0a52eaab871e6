"""The command `jackfield-linuxbridge`: the driver beside the core, the agent on a host.

Both read one TOML file: `[driver]` is for the one, `[agent]` and `[linuxbridge]` for the other.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from jackfield_sdk import AgentSettings, ServerSettings, run_agent, serve
from pydantic import ValidationError

from jackfield_linuxbridge.agent import LinuxBridgeAgent
from jackfield_linuxbridge.driver import LinuxBridgeDriver
from jackfield_linuxbridge.settings import load, read_table

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
    serve(LinuxBridgeDriver(), settings)


@main.command()
def agent(config: Config = None) -> None:
    """Wire the ports of one host with Linux bridges, as the core says."""
    link = _checked("agent", lambda: AgentSettings(**read_table(config, "agent", "JACKFIELD_AGENT_")))
    settings = _checked("linuxbridge", lambda: load(config))
    run_agent(LinuxBridgeAgent(settings), link)


def _checked(table: str, read: Callable[[], SettingsT]) -> SettingsT:
    """Return the settings of *table*, or end with a line for each field that is wrong."""
    try:
        return read()
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, [table, *one['loc']]))}: {_fact(one['msg'])}" for one in error.errors()]
        raise SystemExit("jackfield-linuxbridge: the settings are not valid:\n  " + "\n  ".join(faults)) from error
    except ValueError as error:
        raise SystemExit(f"jackfield-linuxbridge: {error}") from error


def _fact(message: str) -> str:
    return message.removeprefix("Value error, ")


if __name__ == "__main__":
    main()
