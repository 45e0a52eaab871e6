"""Where the story takes place: on hosts with Open vSwitch in two racks, or, where that cannot be, without.

Both sites offer the story the same few things: a control plane, the names of two hosts, a way to
plug a machine into a port, and proof that machines reach each other. The site without hosts says
what it leaves out instead of doing it.
"""

import shutil
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Protocol

from e2e.lab.cloud import Cloud
from e2e.lab.control_plane import ARISTA, BINDING_FABRIC, FABRIC, OVS, ControlPlane, typed
from e2e.lab.machine import Machine, Vif
from e2e.lab.racks import Racks
from e2e.lab.switching import DEFAULT_VLAN, Switching, vlan_names
from e2e.lab.top_of_rack import TopOfRack, trunk
from support.netconf import missing_requirements
from support.reaper import owned

from demo.narrator import Narrator


class Site(Protocol):
    """What the story needs of the place it is told at."""

    hosts: tuple[str, str]

    @property
    def control_plane(self) -> ControlPlane:
        """The core and its drivers, once started."""

    @property
    def run_directory(self) -> Path:
        """Folder with the logs of everything that runs."""

    def start(self) -> None:
        """Start drivers, core and, if there are hosts, their switches and agents."""

    def show_hosts(self) -> None:
        """Show what runs on the hosts."""

    def plug(self, name: str, host: str, vif: Vif) -> None:
        """Give the port of *vif* a machine on *host*."""

    def prove_ping(self, one: str, other: str, *, on_trunk: int | None = None) -> None:
        """Ping between two machines; with *on_trunk* show the VLAN between the hosts as well."""

    def prove_switches(self, vlan: int, *, carry: bool) -> None:
        """Show whether the switches of the racks carry a VLAN where the hosts are plugged in."""

    def prove_switches_restored(self) -> None:
        """Show that the switches of the racks are as they were at the start."""

    def remove(self) -> None:
        """Stop and remove everything."""


class OpenVSwitchSite:
    """Two hosts out of network namespaces, each with an Open vSwitch and an agent, and each in a rack.

    Where no server for NETCONF is installed, the hosts are not in racks, and the site says so.
    """

    hosts = ("host-1", "host-2")

    def __init__(self, narrator: Narrator) -> None:
        self._narrator = narrator
        self._lacks = missing_requirements()
        if self._lacks:
            self._cloud = Cloud(hosts=2, drivers=[OVS, FABRIC])
        else:
            self._cloud = Cloud(hosts=2, drivers=[OVS, ARISTA, FABRIC], racks=partial(Racks, one_hall=True))
        self._machines: dict[str, Machine] = {}
        self._untouched: list[bytes] = []

    @property
    def control_plane(self) -> ControlPlane:
        """The core and its drivers."""
        return self._cloud.control_plane

    @property
    def run_directory(self) -> Path:
        """Folder of the lab."""
        return self._cloud.lab.run_directory

    def start(self) -> None:
        """Start everything, and let the hosts' own traffic through the racks, as their operator would."""
        self._cloud.start()
        for number, leaf in enumerate(self._leaves(), 1):
            leaf.edit(trunk(self._cloud.lab.racks.port_of(number), DEFAULT_VLAN, native=DEFAULT_VLAN))
            self._untouched.append(leaf.running())

    def show_hosts(self) -> None:
        """Show the agents' commands as they run inside the hosts' namespaces."""
        for host in self._cloud.lab.hosts:
            agent = self._cloud.agents[host.name]
            self._narrator.command(typed(agent.command), note=f"tunnel IP {host.tunnel_ip}, process {agent.pid}")
        for number, leaf in enumerate(self._leaves(), 1):
            place = f"host-{number} is on {self._cloud.lab.racks.port_of(number)} of {leaf.name}"
            self._narrator.say(f"{place}, a switch with a NETCONF server at {leaf.address} port {leaf.port}.")
        if self._lacks:
            self._narrator.say(f"Left out: switches of racks, which need {' and '.join(self._lacks)}.")

    def plug(self, name: str, host: str, vif: Vif) -> None:
        """Start a machine as a compute service would."""
        place = next(one for one in self._cloud.lab.hosts if one.name == host)
        self._machines[name] = self._cloud.lab.machine(name, place, vif)
        self._narrator.say(f"Machine {name} is plugged into {host}: {vif.mac_address}, {vif.addresses[0]}.")

    def prove_ping(self, one: str, other: str, *, on_trunk: int | None = None) -> None:
        """Ping, with a capture on the cable between the hosts if a VLAN is to be seen there."""
        sender, receiver = self._machines[one], self._machines[other]
        with ExitStack() as stack:
            capture = None
            if on_trunk is not None:
                capture = stack.enter_context(self._cloud.lab.capture(f"vlan {on_trunk} and icmp"))
            sender.wait_for_ping(receiver.address)
            self._show_ping(sender, receiver)
            if capture is not None:
                frame = capture.first_frame()
                self._narrator.quote(frame)
                self._narrator.claim(f"vlan {on_trunk}" in frame, f"frames between the hosts carry VLAN {on_trunk}")

    def prove_switches(self, vlan: int, *, carry: bool) -> None:
        """Show what the running configuration of the hosts' switches says of a VLAN."""
        for number, leaf in enumerate(self._leaves(), 1):
            running, port = leaf.running(), self._cloud.lab.racks.port_of(number)
            carries = vlan in Switching.read(running).ports[port].tagged
            if carry:
                self._narrator.quote(f'{leaf.name}: vlan {vlan} name "{vlan_names(running)[vlan]}"')
            claim = f"{leaf.name} {'carries' if carry else 'does not carry'} VLAN {vlan} on {port}"
            self._narrator.claim(carries is carry, claim)

    def prove_switches_restored(self) -> None:
        """Compare what the switches run with what they ran at the start."""
        for leaf, before in zip(self._leaves(), self._untouched, strict=True):
            self._narrator.claim(leaf.running() == before, f"{leaf.name} is configured as it was, to the byte")

    def remove(self) -> None:
        """Remove everything."""
        self._cloud.remove()

    def _leaves(self) -> list[TopOfRack]:
        return [] if self._lacks else self._cloud.lab.racks.leaves

    def _show_ping(self, sender: Machine, receiver: Machine) -> None:
        # Until three are answered: without a deadline ping waits for the last one no longer than for the others.
        command = ["ping", "-n", "-c", "3", "-i", "0.2", "-w", "20", receiver.address]
        output = sender.namespace.run(*command)
        self._narrator.command(sender.namespace.inside(command), output)
        what = f"{sender.name} on {sender.host.name} reaches {receiver.name} on {receiver.host.name}"
        self._narrator.claim(" 3 received" in output, what)


class LoopbackSite:
    """The control plane alone: the loopback driver binds ports on hosts that exist in name only."""

    hosts = ("host-1", "host-2")

    def __init__(self, narrator: Narrator) -> None:
        self._narrator = narrator
        # A short path: the name of a Unix socket has room for 107 bytes.
        self.run_directory = Path(tempfile.mkdtemp(prefix=owned("demo"), dir="/tmp"))
        self.control_plane = ControlPlane(self.run_directory, [BINDING_FABRIC])

    def start(self) -> None:
        """Start the core and the loopback driver."""
        self.control_plane.start()

    def show_hosts(self) -> None:
        """Say that there are none."""
        self._narrator.say("Left out: hosts, switches and agents.")

    def plug(self, name: str, host: str, vif: Vif) -> None:
        """Do nothing: the fabric calls a port wired when it is bound."""

    def prove_ping(self, one: str, other: str, *, on_trunk: int | None = None) -> None:
        """Say that nothing was pinged."""
        self._narrator.say(f"Left out: a ping from {one} to {other}.")

    def prove_switches(self, vlan: int, *, carry: bool) -> None:
        """Say nothing: that there are no switches has been said."""

    def prove_switches_restored(self) -> None:
        """Say nothing, likewise."""

    def remove(self) -> None:
        """Remove everything."""
        self.control_plane.stop()
        shutil.rmtree(self.run_directory, ignore_errors=True)


def vif_of(port: Mapping[str, str], *, address: str, mtu: str) -> Vif:
    """Read a machine's interface from what the client printed of a port."""
    return Vif(port["id"], port["mac_address"], (address,), int(mtu))
