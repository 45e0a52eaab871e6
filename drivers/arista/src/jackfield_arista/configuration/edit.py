"""From what a switch holds and what it should hold to the one edit between them.

An edit is a list of befores and afters, so it can be said in words, sent, looked for in what the
switch shows afterwards, and turned round. It touches what is ours and nothing else: a VLAN with our
mark in its name, and of a port the VLANs that are ours. Whatever others have put on the same trunk
stays as they wrote it.

A port is never left a trunk without a list, because that is a trunk of every VLAN: one that we made
a trunk goes back to what it was before us, as far as the caller knows it, or to what EOS starts with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from jackfield_arista.configuration.model import Configuration, Mode, SwitchPort, ranges


@dataclass(frozen=True, slots=True)
class WantedPort:
    """What we want on a port: its mode, and of the VLANs only ours.

    An access port carries `access_vlan` alone. A native VLAN is carried by the trunk, listed or not.
    """

    name: str
    mode: Mode
    access_vlan: int | None = None
    native_vlan: int | None = None
    trunk_vlans: frozenset[int] = frozenset()

    @property
    def vlans(self) -> frozenset[int]:
        """Return every VLAN that the port is to carry."""
        untagged = {vlan for vlan in (self.access_vlan, self.native_vlan) if vlan is not None}
        return self.trunk_vlans | untagged


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a switch should hold of ours.

    `vlans` maps ids to names, `vnis` ids to VXLAN network identifiers. A port of `ports` is compared; None
    says that nothing of ours belongs on it, and `restore` what to put back then, if anybody remembers.
    `scope` names the VLANs that go if they are ours and not wanted, from the switch and from these ports.
    """

    vlans: Mapping[int, str] = field(default_factory=dict)
    ports: Mapping[str, WantedPort | None] = field(default_factory=dict)
    vnis: Mapping[int, int] = field(default_factory=dict)
    restore: Mapping[str, SwitchPort] = field(default_factory=dict)
    scope: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class VlanChange:
    """A VLAN's name before and after; None where there is no VLAN."""

    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class PortChange:
    """A port before and after."""

    before: SwitchPort
    after: SwitchPort


@dataclass(frozen=True, slots=True)
class VniChange:
    """A VLAN's VXLAN network identifier before and after; None where it is not mapped.

    `carrier` is the name of the instance that maps it, where it has one: the VLAN's own name, if it is ours.
    """

    before: int | None
    after: int | None
    carrier: str
    carrier_before: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """All that changes on a switch at once."""

    vlans: Mapping[int, VlanChange] = field(default_factory=dict)
    ports: Mapping[str, PortChange] = field(default_factory=dict)
    vnis: Mapping[int, VniChange] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Return whether nothing changes."""
        return not (self.vlans or self.ports or self.vnis)

    def lines(self) -> tuple[str, ...]:
        """Return the edit in words, a line for each thing that changes."""
        return (
            *(_words(f"VLAN {vlan}", change.before, change.after) for vlan, change in sorted(self.vlans.items())),
            *(_words(name, *_ports_in_words(change)) for name, change in sorted(self.ports.items())),
            *(_words(f"VNI of VLAN {vlan}", change.before, change.after) for vlan, change in sorted(self.vnis.items())),
        )

    def undone(self) -> Edit:
        """Return the edit that takes this one back."""
        return Edit(
            {vlan: VlanChange(change.after, change.before) for vlan, change in self.vlans.items()},
            {name: PortChange(change.after, change.before) for name, change in self.ports.items()},
            {
                vlan: VniChange(change.after, change.before, change.carrier_before, change.carrier)
                for vlan, change in self.vnis.items()
            },
        )

    def applied_to(self, configuration: Configuration) -> Configuration:
        """Return a configuration with this edit made."""
        vlans = {**configuration.vlans, **{vlan: change.after for vlan, change in self.vlans.items()}}
        vnis = {**configuration.vnis, **{vlan: change.after for vlan, change in self.vnis.items()}}
        carriers = {**configuration.carriers, **{vlan: change.carrier for vlan, change in self.vnis.items()}}
        return Configuration(
            {vlan: name for vlan, name in vlans.items() if name is not None},
            {**configuration.ports, **{name: change.after for name, change in self.ports.items()}},
            {vlan: vni for vlan, vni in vnis.items() if vni is not None},
            {vlan: name for vlan, name in carriers.items() if vnis.get(vlan) is not None},
        )

    def missing_from(self, configuration: Configuration) -> tuple[str, ...]:
        """Return in words what of this edit a configuration does not show."""
        return tuple(_missing(self, configuration))


def _missing(edit: Edit, configuration: Configuration) -> Iterator[str]:
    for vlan, named in sorted(edit.vlans.items()):
        if configuration.vlans.get(vlan) != named.after:
            yield _words(f"VLAN {vlan}", configuration.vlans.get(vlan), named.after)
    for name, change in sorted(edit.ports.items()):
        seen = configuration.port(name)
        if _effective(seen) != _effective(change.after):
            yield _words(name, *_ports_in_words(PortChange(seen, change.after)))
    for vlan, mapped in sorted(edit.vnis.items()):
        if configuration.vnis.get(vlan) != mapped.after:
            yield _words(f"VNI of VLAN {vlan}", configuration.vnis.get(vlan), mapped.after)


def _effective(port: SwitchPort) -> SwitchPort:
    """Return a port with what EOS takes for granted: access mode and VLAN 1, and a native VLAN 1 on trunks."""
    if port.mode is Mode.TRUNK:
        return replace(port, access_vlan=None, native_vlan=port.native_vlan or 1)
    return SwitchPort(port.name, Mode.ACCESS, port.access_vlan or 1)


def _words(what: str, before: object, after: object) -> str:
    if before is None:
        return f"{what}: {after} is missing"
    return f"{what}: {before} is too much" if after is None else f"{what}: {before} instead of {after}"


def _ports_in_words(change: PortChange) -> tuple[str, str]:
    """Return a port before and after, of long lists only what differs."""
    both = change.before.trunk_vlans & change.after.trunk_vlans if len(change.before.trunk_vlans) > 8 else frozenset()
    return _port_in_words(change.before, both), _port_in_words(change.after, both)


def _port_in_words(port: SwitchPort, unsaid: frozenset[int]) -> str:
    if not port.exists:
        return "no interface"
    if port.mode is not Mode.TRUNK:
        return f"access VLAN {port.access_vlan}" if port.access_vlan is not None else "no VLAN"
    listed = ", ".join(ranges(sorted(port.trunk_vlans - unsaid))) or ("no other" if unsaid else "all")
    native = f", native VLAN {port.native_vlan}" if port.native_vlan is not None else ""
    return f"trunk of {listed}{native}"
