"""Leave a cloud running to play with: ``make lab``, until Ctrl-C or SIGTERM.

Two hosts with agents, a core, the Open vSwitch driver, and one machine on each host, on one
network. What to type next is printed; everything is removed at the end.
"""

import shlex
import signal
import sys

from e2e.lab.client import Client
from e2e.lab.cloud import Cloud
from e2e.lab.control_plane import PROGRAMS, typed
from e2e.lab.lab import missing_requirements
from e2e.lab.machine import Machine
from support.processes import interrupt_on_sigterm

NAMES = ["one", "two"]
SWITCH = ["openstack port set --disable one", "openstack port set --enable one"]


def main() -> int:
    """Run the lab; return the exit status."""
    if lacks := missing_requirements():
        print(f"The lab needs {' and '.join(lacks)}.", file=sys.stderr)
        return 1
    interrupt_on_sigterm()
    print("Starting two hosts, a core, a driver, two agents and two machines ...", flush=True)
    try:
        with Cloud() as cloud:
            _play(cloud)
    except KeyboardInterrupt:
        print("\nEverything is removed.")
    return 0


def _play(cloud: Cloud) -> None:
    network = cloud.network("blue", "10.0.0.0/24")
    machines = [cloud.boot(name, network, host) for name, host in zip(NAMES, cloud.lab.hosts, strict=True)]
    machines[0].wait_for_ping(machines[1].address)
    print(_instructions(cloud, machines), flush=True)
    signal.pause()


def _instructions(cloud: Cloud, machines: list[Machine]) -> str:
    return "\n\n".join(
        [
            f"A cloud is running: two hosts, two machines, logs and sockets in {cloud.lab.run_directory}.",
            "The API, from another terminal:\n" + _client_lines(cloud),
            *[_machine_lines(machine, other) for machine, other in zip(machines, reversed(machines), strict=True)],
            *[_host_lines(cloud, number) for number in range(len(cloud.lab.hosts))],
            "Cut a machine off while it pings, and bring it back:\n" + _indented(SWITCH),
            "Ctrl-C here removes everything.",
        ]
    )


def _client_lines(cloud: Cloud) -> str:
    settings = Client(cloud.control_plane.url).settings
    exports = [f"export {name}={shlex.quote(value)}" for name, value in settings.items()]
    listing = shlex.join(typed(cloud.control_plane.delivery_listing))
    return _indented([f"export PATH={PROGRAMS}:$PATH", *exports, "openstack port list", listing])


def _machine_lines(machine: Machine, other: Machine) -> str:
    enter = f"ip netns exec {machine.namespace.name}"
    return f"Machine {machine.name} on {machine.host.name}, {machine.address}:\n" + _indented(
        [f"{enter} bash", f"{enter} ping {other.address}"]
    )


def _host_lines(cloud: Cloud, index: int) -> str:
    host = cloud.lab.hosts[index]
    bridges = f"unix:{host.switch.directory}"
    return f"{host.name}, tunnel IP {host.tunnel_ip}:\n" + _indented(
        [
            f"ip netns exec {host.namespace.name} bash",
            f"ovs-vsctl --db={host.switch.connection} show",
            f"ovs-ofctl -O OpenFlow13 dump-flows {bridges}/br-int.mgmt",
        ]
    )


def _indented(lines: list[str]) -> str:
    return "\n".join(f"    {line}" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
