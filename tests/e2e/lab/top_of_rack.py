"""A top-of-rack switch: a real NETCONF server whose running configuration rules an Open vSwitch.

    driver ── NETCONF ── netconfd
                            │ follower: reads what is committed, and nothing else
    hosts ── Ethernet1… ── Open vSwitch ── Ethernet49 (trunk) ── spine
                            └ VXLAN, for VLANs with a VNI ── Ethernet50 (routed) ── spine

Frames pass if the driver has configured the switch right, and only then.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from e2e.lab.commands import CommandFailed
from e2e.lab.names import Names
from e2e.lab.namespace import Namespace
from e2e.lab.open_vswitch import OpenVSwitch
from e2e.lab.switching import Switching
from ncclient import NCClientError
from support.netconf import NetconfSwitch
from support.netconf.somebody import Somebody

HOST_PORTS = tuple(f"Ethernet{number}" for number in range(1, 9))
TRUNK, ROUTED = "Ethernet49", "Ethernet50"
LEAF, SPINE = "leaf", "spine"
TRUNK_PORT = (
    '<interfaces xmlns="http://openconfig.net/yang/interfaces"><interface><name>{port}</name><config><name>{port}</name>'
    '<type xmlns:i="urn:ietf:params:xml:ns:yang:iana-if-type">i:ethernetCsmacd</type></config><ethernet '
    'xmlns="http://openconfig.net/yang/interfaces/ethernet"><switched-vlan xmlns="http://openconfig.net/yang/vlan">'
    "<config><interface-mode>TRUNK</interface-mode>{leaves}</config></switched-vlan></ethernet></interface></interfaces>"
)
RETRY = 0.2  # Seconds until the follower tries again.
LOOK = 5.0  # Seconds between two looks, should no news of a change have come.


def trunk(port: str, *vlans: int, native: int | None = None) -> str:
    """Return the edit of an operator who makes an interface a trunk: of *vlans*, or of all that exist."""
    leaves = "".join(f"<trunk-vlans>{vlan}</trunk-vlans>" for vlan in vlans)
    untagged = f"<native-vlan>{native}</native-vlan>" if native else ""
    return TRUNK_PORT.format(port=port, leaves=untagged + leaves)


# As the operator leaves it: towards the spine all VLANs that exist.
FABRIC = trunk(TRUNK)


class TopOfRack(NetconfSwitch):
    """One switch; `power_on` and `power_off` concern its configuration side, frames are forwarded throughout."""

    def __init__(self, number: int, names: Names, environment: Mapping[str, str]) -> None:
        """Make the namespace of switch *number* (1 to 99)."""
        self.number = number
        self.name = f"leaf-{number}"
        self.chassis_id = f"02:1c:73:00:00:{number:02x}"
        self.vtep = f"10.98.0.{number}"
        super().__init__(
            names.run_directory / self.name,
            ports=[*HOST_PORTS, TRUNK, ROUTED, "Port-Channel1"],
            environment=environment,
        )
        self.namespace = Namespace(names.namespace(self.name))
        (self.directory / "ovs").mkdir()
        self.switch = OpenVSwitch(self.namespace, self.directory / "ovs", environment)
        self.peers: list[str] = []
        """Tunnel endpoints of the other switches."""
        self._cables = 0
        """How often a cable was plugged in."""
        self._stopping = threading.Event()
        self._follower = threading.Thread(target=self._follow, name=f"follower of {self.name}", daemon=True)

    def begin(self, cable: Callable[..., str]) -> None:
        """Start the switch; *cable* runs a cable from it to the spine."""
        self.switch.start(self.name)
        self.switch.add_bridge(LEAF)
        self.switch.add_bridge(SPINE, **{"other_config:hwaddr": f"02:00:00:98:00:{self.number:02x}"})
        self.plug(TRUNK, cable(self.namespace, self.number, card="trunk"))
        routed = cable(self.namespace, 100 + self.number, card="routed")
        # As on a host: the kernel would answer for the address of the bridge as well.
        self.namespace.ip("link", "set", routed, "arp", "off")
        self.switch.vsctl("add-port", SPINE, routed)
        self.namespace.ip("address", "add", f"{self.vtep}/24", "dev", SPINE)
        self.namespace.ip("link", "set", SPINE, "up")
        self.start()
        self.edit(FABRIC)
        self._follower.start()

    def plug(self, port: str, device: str) -> None:
        """Put a device of the namespace behind an interface; it carries nothing until the configuration says so."""
        mark = f"external_ids:interface={port}"
        self.switch.vsctl("add-port", LEAF, device, "vlan_mode=trunk", "trunks=4095", "--", "set", "Port", device, mark)
        self._cables += 1

    def unplug(self, device: str) -> None:
        """Take a device away."""
        self.switch.vsctl("--if-exists", "del-port", LEAF, device)

    def end(self) -> None:
        """Stop and remove everything."""
        self._stopping.set()
        if self._follower.is_alive():
            self._follower.join()
        self.stop()
        self.switch.stop()
        self.namespace.remove()

    def _follow(self) -> None:
        """Have the Open vSwitch do what is committed, until the switch is removed."""
        while not self._stopping.is_set():
            try:
                self._follow_a_session()
            except (NCClientError, CommandFailed, OSError) as error:
                with (self.directory / "follower.log").open("a") as log:
                    log.write(f"{error!r}\n")
                self._stopping.wait(RETRY)

    def _follow_a_session(self) -> None:
        with self.somebody() as reader:
            reader.ask("create_subscription")
            followed = None
            while not self._stopping.is_set():
                # Counted before anything is looked at: who is plugged in meanwhile is seen by the next look.
                cables = self._cables
                wanted = Switching.read(reader.running())
                if (cables, wanted) != followed:
                    self._program(wanted)
                    followed = cables, wanted
                self._await_news(reader, cables)

    def _await_news(self, reader: Somebody, cables: int) -> None:
        reader.wait_for_news(lambda: self._stopping.is_set() or self._cables != cables, timeout=LOOK)

    def _program(self, wanted: Switching) -> None:
        commands = []
        for device, port in self._devices().items():
            if (rule := wanted.ports.get(port)) is not None:
                commands += ["--", "set", "Port", device, *rule.columns()]
        tunnels = {f"vx{vni}-{peer}": (vlan, vni, peer) for vlan, vni in wanted.vnis.items() for peer in self.peers}
        present = set(self.switch.vsctl("--bare", "--columns=name", "find", "Interface", "type=vxlan").split())
        for name in present - set(tunnels):
            commands += ["--", "del-port", LEAF, name]
        for name, (vlan, vni, peer) in tunnels.items():
            options = [f"options:key={vni}", f"options:remote_ip={peer}", f"options:local_ip={self.vtep}"]
            commands += ["--", "--may-exist", "add-port", LEAF, name, "--", "set", "Port", name, f"tag={vlan}"]
            commands += ["--", "set", "Interface", name, "type=vxlan", *options]
        if commands:
            self.switch.vsctl(*commands[1:])

    def _devices(self) -> dict[str, str]:
        """Return the interface that each device stands behind."""
        found = {}
        for device in self.switch.vsctl("list-ports", LEAF).split():
            with suppress(CommandFailed):  # Unplugged while we look.
                if port := self.switch.vsctl("--if-exists", "get", "Port", device, "external_ids:interface").strip('"'):
                    found[device] = port
        return found
