"""The command `jackfield-ovs`: the driver beside the core, the agent on a host.

Both read one TOML file: `[driver]` is for the one, `[agent]` and `[ovs]` for the other.
"""

from __future__ import annotations

from jackfield_sdk import AgentSettings, ServerSettings, run_agent, serve
from jackfield_sdk.command import Config, program, settings_or_exit

from jackfield_ovs.agent import OvsAgent
from jackfield_ovs.driver import OvsDriver
from jackfield_ovs.settings import OvsSettings

NAME = "jackfield-ovs"

main = program(__doc__)


@main.command()
def driver(config: Config = None) -> None:
    """Serve the mechanism driver to the core."""
    serve(OvsDriver(), settings_or_exit(NAME, ServerSettings, "driver", config))


@main.command()
def agent(config: Config = None) -> None:
    """Wire the ports of one Open vSwitch as the core says."""
    link = settings_or_exit(NAME, AgentSettings, "agent", config)
    run_agent(OvsAgent(settings_or_exit(NAME, OvsSettings, "ovs", config)), link)


if __name__ == "__main__":
    main()
