"""The Open vSwitch agent of a host: a process inside the host's namespace, told by a file.

Its link to the core is a Unix socket, so the host's network carries machines' traffic only.
"""

from collections.abc import Mapping
from pathlib import Path

from e2e.lab.control_plane import program
from e2e.lab.host import PHYSICAL_BRIDGE, PHYSICAL_NETWORK, Host
from e2e.lab.open_vswitch import DATAPATH_TYPE
from support.processes import Process, running

# Reports come often, so that the core's short patience (agent_down_time) is not tried by a busy machine.
CONFIGURATION = """\
[agent]
core = "unix://{nodes_socket}"
host = "{host}"
report_interval = 2
[ovs]
ovsdb = "{ovsdb}"
openflow = "unix:{directory}"
datapath_type = "{datapath_type}"
physical_networks = {{ {physical_network} = "{physical_bridge}" }}
tunnel_ip = "{tunnel_ip}"
tunnel_types = ["vxlan", "gre", "geneve"]
"""


def ovs_agent(host: Host, nodes_socket: Path, environment: Mapping[str, str]) -> Process:
    """Describe the agent of *host* that dials *nodes_socket* of the core; nothing runs yet."""
    configuration = host.directory / "agent.toml"
    configuration.write_text(_configuration(host, nodes_socket))
    command = host.namespace.inside([program("jackfield-ovs"), "agent", "--config", str(configuration)])
    log = host.directory / "agent.log"
    return Process(f"agent of {host.name}", command, log=log, ready=running, environment=environment)


def _configuration(host: Host, nodes_socket: Path) -> str:
    return CONFIGURATION.format(
        nodes_socket=nodes_socket,
        host=host.name,
        ovsdb=host.switch.connection,
        directory=host.switch.directory,
        datapath_type=DATAPATH_TYPE,
        physical_network=PHYSICAL_NETWORK,
        physical_bridge=PHYSICAL_BRIDGE,
        tunnel_ip=host.tunnel_ip,
    )
