"""The command `jackfield-ovs`: the driver beside the core, the agent on a host.

Both read one TOML file: `[driver]` is for the one, `[agent]` and `[ovs]` for the other.
"""

from __future__ import annotations

from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Annotated, Any

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

Config = Annotated[Path | None, typer.Option(help="TOML file; the environment overrules it.", exists=True)]


@main.command()
def driver(config: Config = None) -> None:
    """Serve the mechanism driver to the core."""
    settings = _checked(lambda: ServerSettings(**read_table(config, "driver", "JACKFIELD_DRIVER_")))
    serve(OvsDriver(), settings)


@main.command()
def agent(config: Config = None) -> None:
    """Wire the ports of one Open vSwitch as the core says."""
    link = _checked(lambda: AgentSettings(**read_table(config, "agent", "JACKFIELD_AGENT_")))
    settings = _checked(lambda: load(config))
    run_agent(OvsAgent(settings), link)


def _checked(read: Any) -> Any:
    """Return the settings, or end with a sentence that names the field."""
    try:
        return read()
    except (ValidationError, TOMLDecodeError, ValueError) as error:
        raise SystemExit(f"jackfield-ovs: {error}") from error


if __name__ == "__main__":
    main()
