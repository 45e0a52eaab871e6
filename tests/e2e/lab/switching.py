"""What a switch does with frames, read from its configuration, in the words of Open vSwitch.

An interface carries a VLAN if it is a member and the VLAN exists: a VLAN that nobody has made is
carried nowhere, whatever interfaces say. A trunk without a list carries all that exist.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from lxml import etree

NAMESPACES = {
    "if": "http://openconfig.net/yang/interfaces",
    "ni": "http://openconfig.net/yang/network-instance",
    "v": "http://openconfig.net/yang/vlan",
}
DEFAULT_VLAN = 1
NO_VLAN = 4095
"""Reserved, so that no frame carries it."""


@dataclass(frozen=True, slots=True)
class PortRule:
    """Which VLANs an interface carries, and which of them without a tag."""

    tagged: frozenset[int]
    untagged: int | None

    def columns(self) -> list[str]:
        """Return the settings of a row of table ``Port``."""
        if self.untagged is not None and not self.tagged:
            return ["vlan_mode=access", f"tag={self.untagged}", "trunks=[]"]
        mode = ["vlan_mode=trunk", "tag=[]"]
        members = set(self.tagged)
        if self.untagged is not None:
            mode = ["vlan_mode=native-untagged", f"tag={self.untagged}"]
            members.add(self.untagged)
        return [*mode, f"trunks={','.join(map(str, sorted(members or {NO_VLAN})))}"]


@dataclass(frozen=True, slots=True)
class Switching:
    """The rules of all interfaces, by name, and the VNI of every VLAN that has one."""

    ports: dict[str, PortRule]
    vnis: dict[int, int]

    @classmethod
    def read(cls, configuration: bytes) -> Self:
        """Read a running configuration."""
        tree = etree.fromstring(configuration)
        instances = tree.findall("ni:network-instances/ni:network-instance", NAMESPACES)
        existing = {vlan for instance in instances for vlan in _numbers(instance, "ni:vlans/ni:vlan/ni:vlan-id")}
        interfaces = tree.findall("if:interfaces/if:interface", NAMESPACES)
        rules = {interface.findtext("if:name", "", NAMESPACES): _rule(interface, existing) for interface in interfaces}
        return cls(rules, dict(_mapping(instances)))


def vlan_names(configuration: bytes) -> dict[int, str]:
    """Return the names of the VLANs of a running configuration."""
    path = "ni:network-instances/ni:network-instance[ni:name='default']/ni:vlans/ni:vlan/ni:config"
    found = etree.fromstring(configuration).findall(path, NAMESPACES)
    return {
        int(vlan.findtext("ni:vlan-id", "0", NAMESPACES)): vlan.findtext("ni:name", "", NAMESPACES) for vlan in found
    }


def _rule(interface: etree._Element, existing: set[int]) -> PortRule:
    config = interface.find(".//v:switched-vlan/v:config", NAMESPACES)
    if config is None or config.findtext("v:interface-mode", "ACCESS", NAMESPACES) == "ACCESS":
        return PortRule(frozenset(), _first(config, "v:access-vlan", existing))
    ranges = [member.text or "" for member in config.findall("v:trunk-vlans", NAMESPACES)]
    members = existing & set(_expanded(ranges)) if ranges else existing
    native = _first(config, "v:native-vlan", members)
    return PortRule(frozenset(members - {native}), native)


def _first(config: etree._Element | None, path: str, allowed: set[int]) -> int | None:
    vlan = int(config.findtext(path, str(DEFAULT_VLAN), NAMESPACES)) if config is not None else DEFAULT_VLAN
    return vlan if vlan in allowed else None


def _mapping(instances: list[etree._Element]) -> Iterable[tuple[int, int]]:
    for instance in instances:
        vnis = _numbers(instance, "ni:evpn/ni:evpn-instances/ni:evpn-instance/ni:vxlan/ni:config/ni:vni")
        yield from zip(_numbers(instance, "ni:vlans/ni:vlan/ni:vlan-id"), vnis, strict=False)


def _numbers(element: etree._Element, path: str) -> list[int]:
    return [int(found.text or 0) for found in element.findall(path, NAMESPACES)]


def _expanded(ranges: list[str]) -> Iterable[int]:
    for text in ranges:
        low, _, high = text.partition("..")
        yield from range(int(low), int(high or low) + 1)
