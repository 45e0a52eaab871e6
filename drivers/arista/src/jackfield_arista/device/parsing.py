"""From what a switch shows to values. Whatever else it shows is passed over.

A switch may leave out what has its default value, add elements of its own, write a trunk as single
VLANs or as ranges, and prefix identities as it likes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from lxml import etree

from jackfield_arista.configuration.model import Configuration, Mode, SwitchPort, vlans_of
from jackfield_arista.device.health import Neighbour
from jackfield_arista.device.namespaces import (
    AGGREGATE,
    ARISTA_VXLAN,
    ETHERNET,
    INTERFACES,
    LLDP,
    NETWORK_INSTANCE,
    VLAN,
)
from jackfield_arista.device.vxlan_mapping import mappings

_PREFIXES = {
    "if": INTERFACES,
    "eth": ETHERNET,
    "lag": AGGREGATE,
    "vlan": VLAN,
    "ni": NETWORK_INSTANCE,
    "lldp": LLDP,
}
_ENTRY = re.compile(r"\d{1,4}((\.\.|-)\d{1,4})?")
_MODES = {"ACCESS": Mode.ACCESS, "TRUNK": Mode.TRUNK}
# Interfaces that frames of a VLAN pass. Others (Management1, Vlan7, Loopback0) are no ports.
_PORT = re.compile(r"(Ethernet|Port-Channel)\d.*")

LINKS_FILTER: Final = (
    f'<interfaces xmlns="{INTERFACES}"><interface><name/><state><oper-status/></state></interface></interfaces>'
)
NEIGHBOURS_FILTER: Final = (
    f'<lldp xmlns="{LLDP}"><interfaces><interface><name/><neighbors/></interface></interfaces></lldp>'
)


def configuration_filter(*, native_vxlan: bool) -> tuple[str, ...]:
    """Return what to ask for; Arista's own model only of a switch that has it, another one might refuse."""
    own = f'<arista-vxlan xmlns="{ARISTA_VXLAN}"><config/></arista-vxlan>' if native_vxlan else ""
    switched = f'<switched-vlan xmlns="{VLAN}"><config/></switched-vlan>'
    return (
        f'<interfaces xmlns="{INTERFACES}"><interface><name/><config><name/><type/></config>'
        f'<ethernet xmlns="{ETHERNET}">{switched}</ethernet>'
        f'<aggregation xmlns="{AGGREGATE}">{switched}</aggregation>{own}</interface></interfaces>',
        f'<network-instances xmlns="{NETWORK_INSTANCE}"><network-instance><name/><vlans/><evpn/>'
        f"</network-instance></network-instances>",
    )


def configuration(data: etree._Element) -> Configuration:
    """Return a configuration from the `data` of a reply."""
    vnis = {}
    carriers = {}
    for vlan, vni, carrier in mappings(data):
        vnis[vlan] = vni
        if carrier:
            carriers[vlan] = carrier
    return Configuration(dict(_vlans(data)), {port.name: port for port in _ports(data)}, vnis, carriers)


def links(data: etree._Element) -> dict[str, bool]:
    """Return for each interface that says so whether it is up."""
    found = {}
    for interface in data.iterfind("if:interfaces/if:interface", _PREFIXES):
        status = _text(interface, "if:state/if:oper-status")
        if status:
            found[_text(interface, "if:name")] = status == "UP"
    return found


def neighbours(data: etree._Element) -> tuple[Neighbour, ...]:
    """Return the LLDP table, in the switch's order."""
    return tuple(
        Neighbour(
            _text(interface, "lldp:name"),
            *(
                _text(neighbour, f"lldp:state/lldp:{leaf}")
                for leaf in ("system-name", "chassis-id", "port-id", "port-description")
            ),
        )
        for interface in data.iterfind("lldp:lldp/lldp:interfaces/lldp:interface", _PREFIXES)
        for neighbour in interface.iterfind("lldp:neighbors/lldp:neighbor", _PREFIXES)
    )


def _vlans(data: etree._Element) -> Iterator[tuple[int, str]]:
    for instance in data.iterfind("ni:network-instances/ni:network-instance", _PREFIXES):
        if _text(instance, "ni:name") != "default":
            continue
        for vlan in instance.iterfind("ni:vlans/ni:vlan", _PREFIXES):
            id = _text(vlan, "ni:vlan-id")
            if id.isdecimal():
                yield int(id), _text(vlan, "ni:config/ni:name")


def _ports(data: etree._Element) -> Iterator[SwitchPort]:
    for interface in data.iterfind("if:interfaces/if:interface", _PREFIXES):
        name = _text(interface, "if:name")
        if not _PORT.fullmatch(name):
            continue
        container = "lag:aggregation" if name.startswith("Port-Channel") else "eth:ethernet"
        switching = interface.find(f"{container}/vlan:switched-vlan/vlan:config", _PREFIXES)
        yield SwitchPort(name) if switching is None else _port(name, switching)


def _port(name: str, switching: etree._Element) -> SwitchPort:
    said = ((leaf.text or "").strip() for leaf in switching.iterfind("vlan:trunk-vlans", _PREFIXES))
    entries = tuple(entry for entry in said if _ENTRY.fullmatch(entry))
    return SwitchPort(
        name,
        _MODES.get(_text(switching, "vlan:interface-mode")),
        _number(switching, "vlan:access-vlan"),
        _number(switching, "vlan:native-vlan"),
        vlans_of(entries),
        entries=entries,
    )


def _number(element: etree._Element, path: str) -> int | None:
    text = _text(element, path)
    return int(text) if text.isdecimal() else None


def _text(element: etree._Element, path: str) -> str:
    return str(element.findtext(path, "", _PREFIXES)).strip()
