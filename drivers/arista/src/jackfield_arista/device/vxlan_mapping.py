"""Which VXLAN network a VLAN of the switch is: two ways to write it, one for each kind of server.

OpenConfig has an instance for each broadcast domain (openconfig-evpn, `VLAN_BASED`): a network instance
of type L2VSI that holds the VLAN and names the VNI. Ours is called like the VLAN, so its name carries
our mark as well. EOS lists that container among those that it does not implement (not-supported
deviations of 4.36.1F) and has a table of its own at the interface Vxlan1, in a module that it announces
when a session starts. There a mapping is ours if the VLAN is. The EVPN routes beside it (route
distinguisher and targets of BGP) are the network team's in either case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from lxml import etree

from jackfield_arista.configuration.edit import VniChange
from jackfield_arista.device.namespaces import ARISTA_VXLAN, INTERFACES, NC, NETWORK_INSTANCE, child

VXLAN_INTERFACE: Final = "Vxlan1"
_OPERATION = f"{{{NC}}}operation"
_PREFIXES = {"ni": NETWORK_INSTANCE, "if": INTERFACES, "vx": ARISTA_VXLAN}


def add_instances(instances: etree._Element, vnis: Mapping[int, VniChange]) -> None:
    """Add mappings as network instances; one that changes its name is removed under the old one."""
    for vlan, change in vnis.items():
        if change.carrier_before and change.carrier_before != change.carrier:
            gone = child(instances, NETWORK_INSTANCE, "network-instance")
            gone.set(_OPERATION, "remove")
            child(gone, NETWORK_INSTANCE, "name", change.carrier_before)
        if change.after is not None:
            _add_instance(instances, change.carrier, vlan, change.after)


def _add_instance(instances: etree._Element, name: str, vlan: int, vni: int) -> None:
    instance = child(instances, NETWORK_INSTANCE, "network-instance")
    child(instance, NETWORK_INSTANCE, "name", name)
    config = child(instance, NETWORK_INSTANCE, "config")
    child(config, NETWORK_INSTANCE, "name", name)
    child(config, NETWORK_INSTANCE, "type", "oc-ni-types:L2VSI")
    member = child(child(instance, NETWORK_INSTANCE, "vlans"), NETWORK_INSTANCE, "vlan")
    child(member, NETWORK_INSTANCE, "vlan-id", vlan)
    child(child(member, NETWORK_INSTANCE, "config"), NETWORK_INSTANCE, "vlan-id", vlan)
    evpn = child(child(instance, NETWORK_INSTANCE, "evpn"), NETWORK_INSTANCE, "evpn-instances")
    evi = child(evpn, NETWORK_INSTANCE, "evpn-instance")
    child(evi, NETWORK_INSTANCE, "evi", name)
    config = child(evi, NETWORK_INSTANCE, "config")
    child(config, NETWORK_INSTANCE, "evi", name)
    child(config, NETWORK_INSTANCE, "encapsulation-type", "oc-ni-types:VXLAN")
    child(config, NETWORK_INSTANCE, "service-type", "oc-evpn-types:VLAN_BASED")
    vxlan = child(child(evi, NETWORK_INSTANCE, "vxlan"), NETWORK_INSTANCE, "config")
    child(vxlan, NETWORK_INSTANCE, "vni", vni)


def add_to_vxlan_interface(interfaces: etree._Element, vnis: Mapping[int, VniChange]) -> None:
    """Add mappings to EOS's table."""
    if not vnis:
        return
    interface = child(interfaces, INTERFACES, "interface")
    child(interface, INTERFACES, "name", VXLAN_INTERFACE)
    child(child(interface, INTERFACES, "config"), INTERFACES, "name", VXLAN_INTERFACE)
    config = child(child(interface, ARISTA_VXLAN, "arista-vxlan"), ARISTA_VXLAN, "config")
    table = child(config, ARISTA_VXLAN, "vlan-to-vnis")
    for vlan, change in vnis.items():
        row = child(table, ARISTA_VXLAN, "vlan-to-vni")
        child(row, ARISTA_VXLAN, "vlan", vlan)
        if change.after is None:
            row.set(_OPERATION, "remove")
        else:
            child(row, ARISTA_VXLAN, "vni", change.after)


def mappings(data: etree._Element) -> Iterator[tuple[int, int, str]]:
    """Yield VLAN, VNI and the instance's name (empty for EOS's table) of what a switch shows."""
    for instance in data.iterfind("ni:network-instances/ni:network-instance", _PREFIXES):
        vlan = instance.findtext("ni:vlans/ni:vlan/ni:vlan-id", namespaces=_PREFIXES)
        path = "ni:evpn/ni:evpn-instances/ni:evpn-instance/ni:vxlan/ni:config/ni:vni"
        vni = instance.findtext(path, namespaces=_PREFIXES)
        if vlan and vni:
            yield int(vlan), int(vni), instance.findtext("ni:name", "", _PREFIXES).strip()
    path = "if:interfaces/if:interface/vx:arista-vxlan/vx:config/vx:vlan-to-vnis/vx:vlan-to-vni"
    for row in data.iterfind(path, _PREFIXES):
        vlan, vni = row.findtext("vx:vlan", namespaces=_PREFIXES), row.findtext("vx:vni", namespaces=_PREFIXES)
        if vlan and vni:
            yield int(vlan), int(vni), ""
