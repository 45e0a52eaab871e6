"""Physical and virtual at once: one call wires the host, and the VLAN on the switch that the host is plugged into.

The switches are real NETCONF servers whose running configuration rules what they forward, so a ping
between racks tells that the driver has configured them right.
"""

from collections.abc import Iterator
from functools import partial

import pytest
from e2e.lab.api import Resource
from e2e.lab.bare_metal import MetalPlace
from e2e.lab.cloud import Cloud
from e2e.lab.control_plane import ARISTA, OVS, VLAN_RANGES
from e2e.lab.host import PHYSICAL_NETWORK
from e2e.lab.machine import Machine
from e2e.lab.racks import Racks
from e2e.lab.switching import PortRule, Switching
from e2e.lab.top_of_rack import FABRIC
from lxml import etree
from support import yang
from support.netconf import missing_requirements
from support.waiting import wait_until

LACKS, NO_JUDGE = missing_requirements(), yang.missing_requirements()
# A whole cloud starts for the first test of its kind.
pytestmark = [
    pytest.mark.skipif(bool(LACKS), reason=f"needs {' and '.join(LACKS)}"),
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

HALL = {"provider:network_type": "vlan", "provider:physical_network": PHYSICAL_NETWORK}
ROWS_VLANS = ("rack-1:1100:1199", "rack-2:1200:1299")
# Of somebody else: a VLAN, and its place on the port that our host is plugged into.
FOREIGN = (
    '<network-instances xmlns="http://openconfig.net/yang/network-instance"><network-instance><name>default</name>'
    '<config><name>default</name><type xmlns:t="http://openconfig.net/yang/network-instance-types">t:DEFAULT_INSTANCE'
    "</type></config><vlans><vlan><vlan-id>7</vlan-id><config><vlan-id>7</vlan-id><name>storage</name></config></vlan>"
    '</vlans></network-instance></network-instances><interfaces xmlns="http://openconfig.net/yang/interfaces">'
    "<interface><name>Ethernet1</name><config><name>Ethernet1</name><type "
    'xmlns:i="urn:ietf:params:xml:ns:yang:iana-if-type">i:ethernetCsmacd</type></config><ethernet '
    'xmlns="http://openconfig.net/yang/interfaces/ethernet"><switched-vlan xmlns="http://openconfig.net/yang/vlan">'
    "<config><interface-mode>TRUNK</interface-mode><native-vlan>7</native-vlan><trunk-vlans>7</trunk-vlans>"
    "<trunk-vlans>2000..2005</trunk-vlans></config></switched-vlan></ethernet></interface></interfaces>"
)


in_a_hall = pytest.mark.parametrize("racked", [True], indirect=True, ids=["hall"])
# The last test of each kind, which judges what all before it made the driver say.
judged = pytest.mark.skipif(bool(NO_JUDGE), reason=f"needs {' and '.join(NO_JUDGE)}")
in_rows = pytest.mark.parametrize("racked", [False], indirect=True, ids=["rows"])


@pytest.fixture(scope="module")
def racked(requirements: None, request: pytest.FixtureRequest) -> Iterator[Cloud]:
    """Start a host in each of two racks, of one hall with the same VLANs, or each with VLANs of its own."""
    racks, vlan_ranges = partial(Racks, one_hall=request.param), VLAN_RANGES if request.param else ROWS_VLANS
    with Cloud(hosts=2, drivers=[ARISTA, OVS], racks=racks, vlan_ranges=vlan_ranges) as cloud:
        cloud.lab.racks.leaves[0].edit(FOREIGN)
        yield cloud


def running(cloud: Cloud) -> list[bytes]:
    """Return the running configuration of every switch."""
    return [leaf.running() for leaf in cloud.lab.racks.leaves]


def without(configuration: bytes, vlan: int) -> bytes:
    """Return a configuration without a VLAN and its places."""
    tree = etree.fromstring(configuration, etree.XMLParser(remove_blank_text=True))
    for leaf in tree.xpath(f"//*[(local-name()='vlan-id' or local-name()='trunk-vlans') and text()='{vlan}']"):
        entry = leaf.getparent() if leaf.tag.endswith("}vlan-id") else leaf
        if (parent := entry.getparent()) is not None and not entry.tag.endswith("}config"):
            parent.remove(entry)
    return bytes(etree.tostring(tree))


def prove_gone(cloud: Cloud, before: list[bytes]) -> None:
    """Nothing is owed, and every switch is as it was, to the byte."""
    wait_until(lambda: cloud.control_plane.debts() == [], what="the ledger to be empty")
    assert running(cloud) == before


def delete(cloud: Cloud, *machines: Machine) -> None:
    """Delete machines with their ports, and their network."""
    (network,) = {cloud.api.show("port", machine.vif.port_id)["network_id"] for machine in machines}
    for machine in machines:
        machine.remove()
        cloud.api.delete("port", machine.vif.port_id)
    cloud.api.delete("network", network)


@in_a_hall
def test_vlan_reaches_as_far_as_ports_do(racked: Cloud) -> None:
    """There is no ping before the second port is bound, one while it is, none after; what is not ours never changes."""
    near, far = racked.lab.hosts
    before = running(racked)
    network = racked.network("red", "10.7.0.0/24", **HALL)
    vlan = network["provider:segmentation_id"]
    one = racked.boot("one", network, near)
    port = racked.api.create("port", network_id=network["id"])
    two = racked.plug("two", port, far)
    one.wait_for_silence(two.address)

    racked.api.update("port", port["id"], **{"binding:host_id": far.name})
    racked.api.wait_for("port", port["id"], status="ACTIVE")
    one.wait_for_ping(two.address)
    both = running(racked)
    assert both[0] != before[0]
    # The foreign trunk on the same interface among it.
    assert without(both[0], vlan) == without(before[0], vlan)

    two.remove()
    racked.api.delete("port", port["id"])
    one.wait_for_silence(two.address)
    wait_until(lambda: racked.lab.racks.leaves[1].running() == before[1], what="a free switch")
    delete(racked, one)
    prove_gone(racked, before)


@in_a_hall
def test_machine_without_hypervisor_reaches_one_with(racked: Cloud) -> None:
    """A port as Ironic writes it becomes an access port of the right switch, and pings a virtual machine elsewhere."""
    near, leaf = racked.lab.hosts[0], racked.lab.racks.leaves[1]
    before = running(racked)
    network = racked.network("metal", "10.8.0.0/24", **HALL)
    virtual = racked.boot("virtual", network, near)

    place = racked.lab.racks.metal_place(leaf)
    metal = boot_metal(racked, network, place)
    metal.wait_for_ping(virtual.address)
    port = Switching.read(leaf.running()).ports[place.port]
    assert port == PortRule(tagged=frozenset(), untagged=network["provider:segmentation_id"])

    delete(racked, virtual, metal)
    prove_gone(racked, before)


def boot_metal(cloud: Cloud, network: Resource, place: MetalPlace) -> Machine:
    """Do what Ironic does: say where the machine's card is plugged in, and wait until the port is up."""
    binding = {"binding:vnic_type": "baremetal", "binding:host_id": place.name, "binding:profile": place.profile}
    port = cloud.api.create("port", network_id=network["id"], device_owner="baremetal:none", **binding)
    machine = cloud.plug("metal", port, place)
    cloud.api.wait_for("port", port["id"], status="ACTIVE")
    return machine


@judged
@in_a_hall
def test_edits_in_a_hall_are_as_the_models_want_them(racked: Cloud) -> None:
    """All that the switches were told so far is valid by the models of their maker."""
    judge(racked)


@in_rows
def test_network_over_vxlan_is_a_vlan_in_each_rack(racked: Cloud) -> None:
    """Each rack has a VLAN of its own for the network, mapped to its VNI, for virtual machines and for others."""
    near, far = racked.lab.hosts
    before = running(racked)
    network = racked.network("blue", "10.9.0.0/24", **{"provider:network_type": "vxlan"})
    one, two = (racked.boot(f"blue-{host.name}", network, host) for host in (near, far))
    one.wait_for_ping(two.address)
    metal = boot_metal(racked, network, racked.lab.racks.metal_place(racked.lab.racks.leaves[1]))
    metal.wait_for_ping(one.address)

    vnis = [Switching.read(configuration).vnis for configuration in running(racked)]
    assert [list(mapping.values()) for mapping in vnis] == [[network["provider:segmentation_id"]]] * 2
    assert [vlan // 100 for mapping in vnis for vlan in mapping] == [11, 12]
    delete(racked, one, two, metal)
    prove_gone(racked, before)


@in_rows
def test_switch_that_lost_everything_gets_back_what_is_ours(racked: Cloud) -> None:
    """A switch starts with the configuration of its factory; the driver notices, and traffic flows again."""
    near, far = racked.lab.hosts
    leaf = racked.lab.racks.leaves[1]
    before = running(racked)
    network = racked.network("green", "10.10.0.0/24", **{"provider:network_type": "vxlan"})
    one, two = (racked.boot(f"green-{host.name}", network, host) for host in (near, far))
    one.wait_for_ping(two.address)
    configured = leaf.running()

    leaf.reboot(empty=True)
    leaf.edit(FABRIC)
    wait_until(lambda: leaf.running() == configured, what="the configuration to be back", interval=0.5)
    one.wait_for_ping(two.address)
    delete(racked, one, two)
    prove_gone(racked, before)


@judged
@in_rows
def test_edits_in_rows_are_as_the_models_want_them(racked: Cloud) -> None:
    """All that these switches were told is valid as well, the mappings to VNIs among it."""
    judge(racked)


def judge(cloud: Cloud) -> None:
    """Judge every edit that a switch was asked for."""
    told = [payload for leaf in cloud.lab.racks.leaves for payload in leaf.payloads]
    assert any(b"jf" in payload for payload in told)
    yang.check(told)
