"""The Open vSwitch agent of a host: a process inside the host's namespace, told by environment.

Its link to the core is a Unix socket, so the host's network carries machines' traffic only.
"""

import json
from pathlib import Path

from e2e.lab.control_plane import program
from e2e.lab.host import PHYSICAL_BRIDGE, PHYSICAL_NETWORK, Host
from e2e.lab.open_vswitch import DATAPATH_TYPE
from support.processes import Process, running

TUNNEL_TYPES = ("vxlan", "gre", "geneve")


def ovs_agent(host: Host, nodes_socket: Path) -> Process:
    """Describe the agent of *host* that dials *nodes_socket* of the core; nothing runs yet."""
    command = host.namespace.inside([program("jackfield-ovs"), "agent"])
    environment = host.switch.environment | settings(host, nodes_socket)
    log = host.directory / "agent.log"
    return Process(f"agent of {host.name}", command, log=log, ready=running, environment=environment)


def settings(host: Host, nodes_socket: Path) -> dict[str, str]:
    """Return the agent's settings as environment variables."""
    return {
        "JACKFIELD_AGENT_CORE": f"unix://{nodes_socket}",
        "JACKFIELD_AGENT_HOST": host.name,
        # Often enough that the control plane's short patience (agent_down_time) is not tried by a busy machine.
        "JACKFIELD_AGENT_REPORT_INTERVAL": "2",
        "JACKFIELD_OVS_OVSDB": host.switch.connection,
        "JACKFIELD_OVS_OPENFLOW": f"unix:{host.switch.directory}",
        "JACKFIELD_OVS_DATAPATH_TYPE": DATAPATH_TYPE,
        "JACKFIELD_OVS_PHYSICAL_NETWORKS": json.dumps({PHYSICAL_NETWORK: PHYSICAL_BRIDGE}),
        "JACKFIELD_OVS_TUNNEL_IP": host.tunnel_ip,
        "JACKFIELD_OVS_TUNNEL_TYPES": json.dumps(TUNNEL_TYPES),
    }
