"""The story: a network over a tunnel, one over a trunk, a refusal, an outage, the end.

Each chapter is told with the ``openstack`` client, and checked as it goes.
"""

import re
from ipaddress import ip_network

from e2e.lab.client import Answer, Client, Row, columns
from e2e.lab.commands import run
from e2e.lab.control_plane import typed

from demo.narrator import Narrator, Untrue
from demo.site import Site, vif_of

PHYSICAL_NETWORK = "physnet1"
SUBNETS = {"blue": "10.0.0.0/24", "red": "10.0.1.0/24"}
TRUNK_VLAN = 142
REFUSED_VLAN = 166
PORT_COLUMNS = columns("id", "mac_address", "fixed_ips", "binding_host_id", "binding_vif_type", "status")


class Story:
    """Tells the chapters in their order."""

    def __init__(self, narrator: Narrator, site: Site) -> None:
        self._narrator = narrator
        self._site = site
        self._mtus: dict[str, str] = {}

    def tell(self) -> None:
        """Tell everything.

        Raises:
            Untrue: A claim does not hold.
        """
        self._start()
        self._tunnel()
        self._trunk()
        self._refusal()
        self._outage()
        self._end()

    def _start(self) -> None:
        self._narrator.chapter("A core and its drivers, each a process of its own")
        self._site.start()
        control_plane = self._site.control_plane
        self._client = Client(control_plane.url)
        for name, driver in control_plane.drivers.items():
            self._narrator.command(typed(driver.command), note=f"driver {name}, process {driver.pid}")
        self._narrator.command(typed(control_plane.core.command), note=f"process {control_plane.core.pid}")
        self._site.show_hosts()
        exports = " ".join(f"{name}={value}" for name, value in self._client.settings.items())
        self._narrator.say(f"The client is told where the API is, and nothing else: {exports}")
        self._openstack("network", "agent", "list", *columns("Agent Type", "Host", "Alive", "State", "Binary"))

    def _tunnel(self) -> None:
        self._narrator.chapter("A network, two bound ports on two hosts, over VXLAN")
        blue = self._network("blue")
        self._narrator.claim(blue["provider:network_type"] == "vxlan", "nobody asked for a type: it is VXLAN")
        self._two_machines("blue")
        self._site.prove_ping("blue-1", "blue-2")

    def _trunk(self) -> None:
        self._narrator.chapter(f"The same over VLAN {TRUNK_VLAN}, on the hosts and on the switches between them")
        self._network("red", *_vlan(TRUNK_VLAN))
        self._site.prove_switches(TRUNK_VLAN, carry=False)
        self._two_machines("red")
        self._await_no_debt()
        self._site.prove_switches(TRUNK_VLAN, carry=True)
        self._site.prove_ping("red-1", "red-2", on_trunk=TRUNK_VLAN)

    def _refusal(self) -> None:
        self._narrator.chapter("A driver refuses a network, before anything is written")
        self._narrator.say('The fabric driver was told to refuse networks whose name starts with "forbidden".')
        self._await_no_debt()
        before = self._site.control_plane.count_rows()
        refused = self._openstack("network", "create", *_vlan(REFUSED_VLAN), "forbidden-lab", fails=True)
        words = '"forbidden-lab" is reserved on this fabric'
        in_its_words = "409" in refused.output and words in refused.output
        self._narrator.claim(in_its_words, "the client was answered 409, in the driver's words")
        listed = self._openstack("network", "list", "--name", "forbidden-lab")
        self._narrator.claim(listed.rows == [], "there is no such network")
        after = self._site.control_plane.count_rows()
        self._narrator.claim(after == before, f"none of the {len(after)} tables of the database has a row more or less")
        self._show_debts()
        self._narrator.claim(self._debts() == [], "no driver is owed anything")
        self._narrator.say(f"VLAN {REFUSED_VLAN} is free, so the next network that asks for it gets it:")
        shown = columns("name", "provider:network_type", "provider:segmentation_id")
        allowed = self._openstack("network", "create", *_vlan(REFUSED_VLAN), "allowed-lab", *shown).fields
        self._narrator.claim(allowed["provider:segmentation_id"] == str(REFUSED_VLAN), f"it got VLAN {REFUSED_VLAN}")
        self._await_no_debt()

    def _outage(self) -> None:
        self._narrator.chapter("The drivers are killed, a port is created meanwhile")
        drivers = self._site.control_plane.drivers
        for driver in drivers.values():
            self._narrator.command(["kill", "-9", str(driver.pid)], note=driver.name)
            driver.kill()
        port = self._port("blue", 3, self._site.hosts[0])
        self._narrator.claim(port["status"] == "DOWN", "the port exists; with no driver to bind it, it is DOWN")
        self._show_debts()
        owed = {debt["resource_id"] for debt in self._debts()}
        self._narrator.claim(owed == {port["id"]}, "it stands in the ledger as owed to the drivers")
        for driver in drivers.values():
            driver.start()
            self._narrator.command(typed(driver.command), note=f"{driver.name} again, process {driver.pid}")
        self._plug(port, "blue", 3, self._site.hosts[0])
        self._await_active("blue", 3)
        self._await_no_debt()
        self._site.prove_ping("blue-3", "blue-2")

    def _end(self) -> None:
        self._narrator.chapter("Everything is deleted again")
        self._openstack("port", "delete", "blue-1", "blue-2", "blue-3", "red-1", "red-2")
        self._openstack("network", "delete", "blue", "red", "allowed-lab")
        self._await_no_debt()
        left = self._openstack("network", "list").rows
        self._narrator.claim(left == [], "nothing is left, and every driver knows")
        self._site.prove_switches_restored()

    def _network(self, name: str, *provider: str) -> Row:
        shown = columns("id", "mtu", "provider:network_type", "provider:physical_network", "provider:segmentation_id")
        network = self._openstack("network", "create", *provider, name, *shown).fields
        self._mtus[name] = network["mtu"]
        shown = columns("cidr", "allocation_pools", "gateway_ip")
        self._openstack("subnet", "create", "--network", name, "--subnet-range", SUBNETS[name], f"{name}-4", *shown)
        return network

    def _two_machines(self, network: str) -> None:
        for number, host in enumerate(self._site.hosts, 1):
            port = self._port(network, number, host)
            self._plug(port, network, number, host)
        self._await_active(network, 2)

    def _port(self, network: str, number: int, host: str) -> Row:
        arguments = ["--network", network, "--host", host, f"{network}-{number}"]
        return self._openstack("port", "create", *arguments, *PORT_COLUMNS).fields

    def _plug(self, port: Row, network: str, number: int, host: str) -> None:
        address = re.search(r"ip_address='([^']+)'", port["fixed_ips"])
        if address is None:
            raise Untrue(f"a port has an address: not so. {port}")
        length = ip_network(SUBNETS[network]).prefixlen
        vif = vif_of(port, address=f"{address[1]}/{length}", mtu=self._mtus[network])
        self._site.plug(f"{network}-{number}", host, vif)

    def _await_active(self, network: str, count: int) -> None:
        shown = columns("Name", "Fixed IP Addresses", "Status")
        listing = ("port", "list", "--network", network, *shown)
        answer = self._client.must(*listing)

        def active() -> bool:
            nonlocal answer
            if [row["Status"] for row in answer.rows] == ["ACTIVE"] * count:
                return True
            answer = self._client.must(*listing)
            return False

        self._narrator.await_claim(active, f"{count} ports of {network} are ACTIVE")
        self._narrator.command(answer.command, answer.output)

    def _openstack(self, *arguments: str, fails: bool = False) -> Answer:
        answer = self._client.run(*arguments)
        self._narrator.command(answer.command, answer.output)
        if (answer.status != 0) != fails:
            raise Untrue(f"the command {'fails' if fails else 'succeeds'}: not so. Its status is {answer.status}")
        return answer

    def _debts(self) -> list[dict[str, object]]:
        return self._site.control_plane.debts()

    def _show_debts(self) -> None:
        listing = self._site.control_plane.delivery_listing
        self._narrator.command(typed(listing), run(listing))

    def _await_no_debt(self) -> None:
        self._narrator.await_claim(lambda: self._debts() == [], "no driver is owed anything")


def _vlan(segmentation_id: int) -> list[str]:
    physical_network = ["--provider-physical-network", PHYSICAL_NETWORK]
    return ["--provider-network-type", "vlan", *physical_network, "--provider-segment", str(segmentation_id)]
