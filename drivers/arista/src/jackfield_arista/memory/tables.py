"""What the memory is made of: its tables, and the values that are read from them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from jackfield_sdk import Kind

from jackfield_arista.configuration.model import Mode, SwitchPort
from jackfield_arista.wanted.wants import Membership

Key = tuple[Kind, str]
"""What names a resource."""

Pair = tuple[str, int]
"""A port and a VLAN on it; the port is empty for the VLAN itself."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS switch (name TEXT PRIMARY KEY, resets INTEGER NOT NULL DEFAULT 0, seen INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS resource (
    kind TEXT, id TEXT, network_id TEXT NOT NULL, revision INTEGER NOT NULL, digest BLOB NOT NULL,
    leaving INTEGER NOT NULL, plugged INTEGER NOT NULL, host TEXT NOT NULL, physical_network TEXT NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE TABLE IF NOT EXISTS membership (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, id TEXT NOT NULL, network_id TEXT NOT NULL, switch TEXT NOT NULL, port TEXT NOT NULL,
    mode TEXT NOT NULL, vlan INTEGER NOT NULL, vni INTEGER, revision INTEGER NOT NULL,
    leaving INTEGER NOT NULL, made INTEGER NOT NULL DEFAULT 0,
    UNIQUE (kind, id, switch, port, vlan)
);
CREATE INDEX IF NOT EXISTS membership_of_switch ON membership (switch);
CREATE INDEX IF NOT EXISTS membership_of_network ON membership (network_id);
CREATE TABLE IF NOT EXISTS taken (switch TEXT, port TEXT, before TEXT NOT NULL, PRIMARY KEY (switch, port));
CREATE TABLE IF NOT EXISTS unsaved (switch TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS inherited (
    switch TEXT, port TEXT, vlan INTEGER, network_id TEXT NOT NULL, PRIMARY KEY (switch, port, vlan)
);
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A membership that a resource wants, or leaves. `made` once the switch was seen with it.

    A network that leaves has a row without a port on every switch that may hold it.
    """

    number: int
    kind: Kind
    id: str
    network_id: str
    member: Membership
    revision: int
    leaving: bool
    made: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of a `Want`: the switches concerned, or the higher revision that is held already."""

    switches: tuple[str, ...] = ()
    held: int | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """How much is remembered of a switch: memberships that are wanted, and that leave, ports and what was inherited."""

    wanted: int = 0
    leaving: int = 0
    taken: int = 0
    inherited: int = 0

    @property
    def is_nothing(self) -> bool:
        """Return whether nobody would miss it."""
        return self == Holding()


@dataclass(frozen=True, slots=True)
class Resource:
    """A port that is wanted, as the core told it."""

    kind: Kind
    id: str
    revision: int
    digest: bytes
    plugged: bool
    host: str
    physical_network: str


def write_port(port: SwitchPort) -> str:
    """Write what a port was."""
    return json.dumps({**asdict(port), "trunk_vlans": sorted(port.trunk_vlans)})


def read_port(text: str) -> SwitchPort:
    """Read what `write_port` wrote."""
    told = json.loads(text)
    port = SwitchPort(**{**told, "trunk_vlans": frozenset(told["trunk_vlans"]), "entries": tuple(told["entries"])})
    return replace(port, mode=None if port.mode is None else Mode(port.mode))
