"""From an edit to the XML of one `edit-config`: OpenConfig as EOS 4.36 implements it.

Everything of an edit is in one document, whatever its size, so a switch makes all of it or nothing.
Ports come before VLANs: a switch that applies in order has them out of a VLAN before the VLAN goes.

Only what changes is said. Of a trunk single entries are added and taken away, so that the others stay
as they are; leaves and entries go with `remove`, which does not mind if somebody was faster. What a mode
allows hangs on the mode (`when` in openconfig-vlan), and the kind of `switched-vlan` on the interface's
type, so both are always said with it.
"""

from __future__ import annotations

from lxml import etree

from jackfield_arista.configuration.edit import Edit, PortChange
from jackfield_arista.configuration.model import Mode, SwitchPort
from jackfield_arista.device.namespaces import (
    AGGREGATE,
    ETHERNET,
    IDENTITIES,
    INTERFACES,
    NC,
    NETWORK_INSTANCE,
    VLAN,
    child,
)
from jackfield_arista.device.vxlan_mapping import add_instances, add_to_vxlan_interface

OPERATION = f"{{{NC}}}operation"


def payload(edit: Edit, *, native_vxlan: bool = False) -> etree._Element:
    """Return the `config` element of an edit. `native_vxlan` maps VLANs in Arista's own model."""
    config = etree.Element(f"{{{NC}}}config", nsmap={"nc": NC, **IDENTITIES})
    interfaces = child(config, INTERFACES, "interfaces")
    instances = child(config, NETWORK_INSTANCE, "network-instances")
    for change in edit.ports.values():
        _add_port(interfaces, change)
    if edit.vlans:
        _add_vlans(instances, edit)
    if native_vxlan:
        add_to_vxlan_interface(interfaces, edit.vnis)
    else:
        add_instances(instances, edit.vnis)
    for part in (interfaces, instances):
        if not len(part):
            config.remove(part)
    return config


def _add_vlans(instances: etree._Element, edit: Edit) -> None:
    instance = child(instances, NETWORK_INSTANCE, "network-instance")
    child(instance, NETWORK_INSTANCE, "name", "default")
    config = child(instance, NETWORK_INSTANCE, "config")
    child(config, NETWORK_INSTANCE, "name", "default")
    child(config, NETWORK_INSTANCE, "type", "oc-ni-types:DEFAULT_INSTANCE")
    vlans = child(instance, NETWORK_INSTANCE, "vlans")
    for id, change in edit.vlans.items():
        vlan = child(vlans, NETWORK_INSTANCE, "vlan")
        child(vlan, NETWORK_INSTANCE, "vlan-id", id)
        if change.after is None:
            vlan.set(OPERATION, "remove")
            continue
        config = child(vlan, NETWORK_INSTANCE, "config")
        child(config, NETWORK_INSTANCE, "vlan-id", id)
        child(config, NETWORK_INSTANCE, "name", change.after)


def _add_port(interfaces: etree._Element, change: PortChange) -> None:
    port = change.after
    interface = child(interfaces, INTERFACES, "interface")
    child(interface, INTERFACES, "name", port.name)
    config = child(interface, INTERFACES, "config")
    child(config, INTERFACES, "name", port.name)
    child(config, INTERFACES, "type", "ianaift:ieee8023adLag" if port.is_aggregate else "ianaift:ethernetCsmacd")
    namespace, container = (AGGREGATE, "aggregation") if port.is_aggregate else (ETHERNET, "ethernet")
    switched = child(child(interface, namespace, container), VLAN, "switched-vlan")
    if port.mode is None:
        switched.set(OPERATION, "remove")
    else:
        _add_switching(child(switched, VLAN, "config"), change.before, port, port.mode)


def _add_switching(config: etree._Element, before: SwitchPort, after: SwitchPort, mode: Mode) -> None:
    child(config, VLAN, "interface-mode", mode.value.upper())
    _add_leaf(config, "access-vlan", before.access_vlan, after.access_vlan)
    _add_leaf(config, "native-vlan", before.native_vlan, after.native_vlan)
    kept = set(after.trunk_entries)
    had = set(before.trunk_entries)
    for entry in before.trunk_entries:
        if entry not in kept:
            child(config, VLAN, "trunk-vlans", entry).set(OPERATION, "remove")
    for entry in after.trunk_entries:
        if entry not in had:
            child(config, VLAN, "trunk-vlans", entry)


def _add_leaf(config: etree._Element, name: str, before: int | None, after: int | None) -> None:
    if after is not None and after != before:
        child(config, VLAN, name, after)
    elif after is None and before is not None:
        # Its value is said as well: a leaf of a number is never empty, not even one that goes.
        child(config, VLAN, name, before).set(OPERATION, "remove")
