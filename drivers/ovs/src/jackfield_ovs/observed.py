"""What the agent sees on the switch, as values.

One look at the OVSDB becomes one `Observed`, and the plan reads nothing else. An interface
belongs to a port and a port to a bridge; a bond has several interfaces on one port, and what the
compute service plugs has exactly one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

# Open vSwitch's way to say that it could not open the device.
OFPORT_FAILED = -1


@dataclass(frozen=True, slots=True)
class ObservedInterface:
    """An interface with its port. `ofport` is None until ovs-vswitchd has looked at it."""

    name: str
    port: str
    bridge: str
    type: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    iface_id: str = ""
    external_ids: Mapping[str, str] = field(default_factory=dict)
    ofport: int | None = None
    error: str = ""
    tag: int | None = None
    mark: str = ""

    @property
    def usable(self) -> bool:
        """True if flows can name it."""
        return self.ofport is not None and self.ofport > 0


@dataclass(frozen=True, slots=True)
class ObservedBridge:
    """A bridge. `controllers` are the targets of its controllers; `mark` is ours or empty."""

    name: str
    datapath_type: str = ""
    fail_mode: str = ""
    controllers: frozenset[str] = frozenset()
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """The switch at one moment. `local_vlans` is what an agent wrote down: network -> VLAN."""

    bridges: Mapping[str, ObservedBridge] = field(default_factory=dict)
    interfaces: Mapping[str, ObservedInterface] = field(default_factory=dict)
    local_vlans: Mapping[str, int] = field(default_factory=dict)

    def on_bridge(self, bridge: str) -> Iterator[ObservedInterface]:
        """Yield the interfaces of one bridge, by name."""
        for name in sorted(self.interfaces):
            if self.interfaces[name].bridge == bridge:
                yield self.interfaces[name]

    def ofport(self, name: str, bridge: str) -> int | None:
        """Return the OpenFlow port of interface `name` on `bridge`, None if it has none yet."""
        interface = self.interfaces.get(name)
        if interface is None or interface.bridge != bridge or not interface.usable:
            return None
        return interface.ofport
