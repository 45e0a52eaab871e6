"""The agent of a host: a process inside the host's namespace, told by a file.

Its link to the core is a Unix socket, so the host's network carries machines' traffic only.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from e2e.lab.bridge_host import BridgeHost
from e2e.lab.control_plane import program
from e2e.lab.forked import Forked
from e2e.lab.host import PHYSICAL_BRIDGE, Host, Hypervisor
from e2e.lab.open_vswitch import DATAPATH_TYPE
from support.processes import Process, running
from support.waiting import IS_EMULATED

# Reports come often, so that the core's short patience (agent_down_time) is not tried by a busy machine.
LINK = """\
[agent]
core = "unix://{nodes_socket}"
host = "{host}"
report_interval = 2
"""
OPEN_VSWITCH = """\
[ovs]
ovsdb = "{ovsdb}"
openflow = "unix:{directory}"
datapath_type = "{datapath_type}"
physical_networks = {{ {physical_network} = "{physical_bridge}" }}
tunnel_ip = "{tunnel_ip}"
tunnel_types = ["vxlan", "gre", "geneve"]
"""
LINUX_BRIDGE = """\
[linuxbridge]
physical_networks = {{ {physical_network} = "{device}" }}
tunnel_ip = "{tunnel_ip}"
tunnel_types = {tunnel_types}
"""


def ovs_agent(host: Host, nodes_socket: Path, environment: Mapping[str, str]) -> Process:
    """Describe the Open vSwitch agent of *host* that dials *nodes_socket* of the core; nothing runs yet."""
    section = OPEN_VSWITCH.format(
        ovsdb=host.switch.connection,
        directory=host.switch.directory,
        datapath_type=DATAPATH_TYPE,
        physical_network=host.physical_network,
        physical_bridge=PHYSICAL_BRIDGE,
        tunnel_ip=host.tunnel_ip,
    )
    return _agent("ovs", host, section, nodes_socket, environment)


def bridge_agent(host: BridgeHost, nodes_socket: Path, environment: Mapping[str, str]) -> Process:
    """Describe the Linux bridge agent of *host*, likewise."""
    section = LINUX_BRIDGE.format(
        physical_network=host.physical_network,
        device=host.uplink,
        tunnel_ip=host.tunnel_ip,
        tunnel_types=json.dumps(host.tunnel_types),
    )
    return _agent("linuxbridge", host, section, nodes_socket, environment)


def _agent(driver: str, host: Hypervisor, section: str, nodes_socket: Path, environment: Mapping[str, str]) -> Process:
    configuration = host.directory / f"{driver}-agent.toml"
    configuration.write_text(LINK.format(nodes_socket=nodes_socket, host=host.name) + section)
    log, name = host.directory / f"{driver}-agent.log", f"{driver} agent of {host.name}"
    arguments = ["agent", "--config", str(configuration)]
    if IS_EMULATED:
        module = f"jackfield_{driver}.__main__"
        return Forked(name, host.namespace, module, arguments, log=log, environment=environment)
    command = host.namespace.inside([program(f"jackfield-{driver}"), *arguments])
    return Process(name, command, log=log, ready=running, environment=environment)
