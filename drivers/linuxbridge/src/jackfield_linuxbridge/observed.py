"""What the agent sees on the host, as values.

One look at the kernel's links becomes one `Observed`, and the plan reads nothing else. A link is
known by its name, and a bridge's ports are the links that name it as their `bridge`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from jackfield_linuxbridge.layout import Mark


@dataclass(frozen=True, slots=True)
class ObservedLink:
    """A link. `bridge` is the name of its master, whatever that is; empty if it has none.

    `options` are those of its kind that a plan may ask for, and `isolated` is the flag of its
    bridge port. `mark` is None if the link is not ours.
    """

    name: str
    index: int
    kind: str = ""
    mac_address: str = ""
    mtu: int = 1500
    up: bool = False
    bridge: str = ""
    parent: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    isolated: bool = False
    alias: str = ""
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """The host's links at one moment, by name."""

    links: Mapping[str, ObservedLink] = field(default_factory=dict)

    def ports_of(self, bridge: str) -> Iterator[ObservedLink]:
        """Yield the links that are ports of a bridge."""
        return (link for link in self.links.values() if link.bridge == bridge)

    def marked(self, role: str) -> Iterator[ObservedLink]:
        """Yield the links that carry our mark for a role."""
        return (link for link in self.links.values() if link.mark is not None and link.mark.role == role)
