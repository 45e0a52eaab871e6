"""The command `jackfield-linuxbridge`: the driver beside the core, the agent on a host.

Both read one TOML file: `[driver]` is for the one, `[agent]` and `[linuxbridge]` for the other.
"""

from __future__ import annotations

from jackfield_sdk import AgentSettings, ServerSettings, run_agent, serve
from jackfield_sdk.command import Config, program, settings_or_exit

from jackfield_linuxbridge.agent import LinuxBridgeAgent
from jackfield_linuxbridge.driver import LinuxBridgeDriver
from jackfield_linuxbridge.settings import LinuxBridgeSettings

NAME = "jackfield-linuxbridge"

main = program(__doc__)


@main.command()
def driver(config: Config = None) -> None:
    """Serve the mechanism driver to the core."""
    serve(LinuxBridgeDriver(), settings_or_exit(NAME, ServerSettings, "driver", config))


@main.command()
def agent(config: Config = None) -> None:
    """Wire the ports of one host with Linux bridges, as the core says."""
    link = settings_or_exit(NAME, AgentSettings, "agent", config)
    run_agent(LinuxBridgeAgent(settings_or_exit(NAME, LinuxBridgeSettings, "linuxbridge", config)), link)


if __name__ == "__main__":
    main()
