"""What a switch shows, read as far as it concerns us."""

from __future__ import annotations

from jackfield_arista.configuration.model import Mode, SwitchPort
from jackfield_arista.device import parsing
from jackfield_arista.device.health import Neighbour
from lxml import etree

# In the manner of EOS: elements that nobody asked for, other prefixes, and no order that could be relied on.
SHOWN = """
<data xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">
 <oc:interfaces xmlns:oc="http://openconfig.net/yang/interfaces" xmlns:v="http://openconfig.net/yang/vlan">
  <oc:interface>
   <v:unexpected>yes</v:unexpected>
   <oc:config><oc:mtu>9214</oc:mtu>
    <oc:type xmlns:x="urn:ietf:params:xml:ns:yang:iana-if-type">x:ethernetCsmacd</oc:type>
    <oc:name> Ethernet1/1 </oc:name></oc:config>
   <oc:name> Ethernet1/1 </oc:name>
   <e:ethernet xmlns:e="http://openconfig.net/yang/interfaces/ethernet"><e:config><e:port-speed/></e:config>
    <v:switched-vlan><v:config><v:trunk-vlans>2000..2002</v:trunk-vlans><v:trunk-vlans>10-11</v:trunk-vlans>
     <v:trunk-vlans>7</v:trunk-vlans><v:trunk-vlans>ALL?</v:trunk-vlans><v:interface-mode>TRUNK</v:interface-mode>
     <a:phone-vlan xmlns:a="http://arista.com/yang">9</a:phone-vlan><v:native-vlan>7</v:native-vlan>
    </v:config></v:switched-vlan></e:ethernet>
  </oc:interface>
  <oc:interface><oc:name>Port-Channel7</oc:name>
   <l:aggregation xmlns:l="http://openconfig.net/yang/interfaces/aggregate"><v:switched-vlan><v:config>
     <v:interface-mode>ACCESS</v:interface-mode><v:access-vlan>30</v:access-vlan></v:config></v:switched-vlan>
   </l:aggregation></oc:interface>
  <oc:interface><oc:name>Ethernet2</oc:name><oc:state><oc:oper-status>DOWN</oc:oper-status></oc:state></oc:interface>
  <oc:interface><oc:name>Ethernet3</oc:name><oc:state><oc:oper-status>UP</oc:oper-status></oc:state>
   <e:ethernet xmlns:e="http://openconfig.net/yang/interfaces/ethernet"><v:switched-vlan><v:config>
    <v:interface-mode>DOT1Q-TUNNEL</v:interface-mode></v:config></v:switched-vlan></e:ethernet></oc:interface>
  <oc:interface><oc:name>Management1</oc:name></oc:interface>
  <oc:interface><oc:name>Vlan7</oc:name></oc:interface>
 </oc:interfaces>
 <network-instances xmlns="http://openconfig.net/yang/network-instance">
  <network-instance><name>MGMT</name><vlans><vlan><vlan-id>9</vlan-id></vlan></vlans></network-instance>
  <network-instance><name>default</name><vlans>
   <vlan><vlan-id>30</vlan-id><config><vlan-id>30</vlan-id><status>ACTIVE</status></config></vlan>
   <vlan><config><name>storage</name><mac-learning xmlns="http://arista.com/yang">true</mac-learning></config>
    <vlan-id>7</vlan-id></vlan></vlans></network-instance>
 </network-instances>
 <lldp xmlns="http://openconfig.net/yang/lldp"><interfaces>
  <interface><name>Ethernet2</name></interface>
  <interface><name>Ethernet3</name><neighbors>
   <neighbor><id>1</id><state><chassis-id>00:1c:73:00:00:01</chassis-id><system-name>spine-1</system-name>
    <port-id>Ethernet7</port-id><port-description>to leaf-1</port-description><ttl>120</ttl></state></neighbor>
   <neighbor><id>2</id><state><chassis-id>00:1c:73:00:00:02</chassis-id></state></neighbor>
  </neighbors></interface></interfaces></lldp>
</data>
"""
DATA = etree.fromstring(SHOWN)


def test_a_configuration_is_read_whatever_is_around_it() -> None:
    """Unknown elements, prefixes and order do not matter; a VLAN without a name has an empty one."""
    seen = parsing.configuration(DATA)

    assert seen.vlans == {30: "", 7: "storage"}
    assert seen.ports["Port-Channel7"] == SwitchPort("Port-Channel7", Mode.ACCESS, access_vlan=30)
    assert seen.ports["Ethernet2"] == SwitchPort("Ethernet2")
    assert seen.vnis == {}


def test_ranges_are_read_in_both_forms() -> None:
    """As OpenConfig writes them, and as the command line does; what is neither is passed over."""
    port = parsing.configuration(DATA).ports["Ethernet1/1"]

    assert port.trunk_vlans == {7, 10, 11, 2000, 2001, 2002}
    assert port.entries == ("2000..2002", "10-11", "7")
    assert (port.mode, port.native_vlan) == (Mode.TRUNK, 7)


def test_only_interfaces_that_carry_vlans_are_ports() -> None:
    """Neither a management interface nor a routed VLAN is one."""
    assert set(parsing.configuration(DATA).ports) == {"Ethernet1/1", "Port-Channel7", "Ethernet2", "Ethernet3"}


def test_a_port_of_another_mode_has_none_of_ours() -> None:
    """EOS knows more modes than the model."""
    assert parsing.configuration(DATA).ports["Ethernet3"].mode is None


def test_links_and_neighbours_are_read() -> None:
    """An interface that does not say whether it is up is left out."""
    assert parsing.links(DATA) == {"Ethernet2": False, "Ethernet3": True}
    assert parsing.neighbours(DATA) == (
        Neighbour("Ethernet3", "spine-1", "00:1c:73:00:00:01", "Ethernet7", "to leaf-1"),
        Neighbour("Ethernet3", "", "00:1c:73:00:00:02"),
    )


def test_nothing_is_a_configuration_too() -> None:
    """A switch may show no data at all."""
    nothing = etree.fromstring("<data/>")

    assert parsing.configuration(nothing) == parsing.Configuration()
    assert parsing.neighbours(nothing) == ()
