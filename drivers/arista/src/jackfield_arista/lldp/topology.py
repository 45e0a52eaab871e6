"""Where hosts are as LLDP tells it: agents hear switches, switches hear hosts.

Agents' reports come with every call of the core that names a host (`hear`), switch tables with every
look at a switch (`read`). What was heard is kept until something else is heard in its place: a pulled
cable or a rebooting switch is silence, and silence moves nothing for a week.

A host that the file does not list is where LLDP says, if the settings allow it and nobody says
otherwise. Agents are believed by default. Switch tables are not, unless the operator says so: a
rented machine may call itself by any name, and would be given the VLANs of the host of that name.
They serve to find contradictions, which are logged once and listed with the time since when.

All of it is kept in a small file beside the driver's memory (`sightings`), so that a restart
remembers since when and `jackfield-arista check`, another process, can read it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, Protocol

import structlog
from jackfield_sdk import Host

from jackfield_arista.inventory.attachments import Place, Role
from jackfield_arista.inventory.model import Inventory
from jackfield_arista.inventory.notation import find_chassis, find_port, same_host, short_host
from jackfield_arista.lldp.conflicts import Conflict, Contradiction, Sighting, Witness, contradictions
from jackfield_arista.lldp.sightings import HeardByAgent, HeardBySwitch, Sightings, load, save

log = structlog.get_logger(__name__)

Belief = Literal["never", "agents", "agents_and_switches"]

FORGET_AFTER = timedelta(days=7)
# What is heard again is the same, so the file is written for its time only this often.
_WRITE_AGAIN_AFTER = timedelta(hours=1)
# After a power failure a thousand hosts are heard at once, and need not be thought about one by one.
_PAUSE = timedelta(seconds=1)


class TableRow(Protocol):
    """A row of a switch's LLDP table: its interface, and who is at the other end."""

    @property
    def interface(self) -> str: ...
    @property
    def system_name(self) -> str: ...
    @property
    def port_id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Picture:
    """What was heard, as hosts on ports of one inventory's switches, and what contradicts."""

    inventory: Inventory
    by_host: Mapping[str, Sequence[Sighting]]
    contradictions: Sequence[Contradiction]
    disputed: frozenset[tuple[str, str, str]]


class Topology:
    """Cables as the file and LLDP know them. Every method may be called from any thread.

    `inventory` gives the current inventory; `directory` is where sightings are kept (None: nowhere).
    """

    def __init__(
        self,
        inventory: Callable[[], Inventory],
        *,
        attach_by_lldp: Belief = "agents",
        directory: Path | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Start with what is kept in `directory`."""
        self._inventory = inventory
        self._belief = attach_by_lldp
        self._directory = directory
        self._clock = clock
        self._lock = threading.Lock()
        self._heard = load(directory) if directory is not None else Sightings()
        self._looked_at = self._saved_at = datetime.min.replace(tzinfo=UTC)
        self._is_unsaved = False
        self._picture: Picture | None = None

    def of_host(self, host: str) -> tuple[Place, ...]:
        """Return the places of a host: those of the file, or else those that LLDP tells."""
        inventory = self._inventory()
        listed = inventory.of_host(host)
        if listed or self._belief == "never":
            return listed
        with self._lock:
            picture = self._look(self._clock())
        believed = {Witness.AGENT} if self._belief == "agents" else {*Witness}
        ports = {
            (one.switch, one.port)
            for one in picture.by_host.get(short_host(host), ())
            if one.witness in believed
            and same_host(one.host, host)
            and (one.host, one.switch, one.port) not in picture.disputed
        }
        return tuple(sorted({place for at in ports for place in picture.inventory.places_on(*at, Role.HYPERVISOR)}))

    def hear(self, host: Host) -> None:
        """Take what a host's agents hear on its interfaces, as the core hands it on."""
        self._take(
            HeardByAgent(host.name, nic.name, seen.chassis_id, seen.port_id, seen.system_name)
            for nic in host.nics
            if (seen := nic.neighbour) is not None and seen.chassis_id
        )

    def read(self, switch: str, table: Iterable[TableRow]) -> None:
        """Take the LLDP table of a switch. A row without a system name tells nothing about hosts."""
        self._take(_of_table(switch, table))

    def conflicts(self) -> tuple[Conflict, ...]:
        """Return what the file and LLDP say against each other now, and since when."""
        with self._lock:
            self._look(self._clock())
            return tuple(Conflict(found, since) for found, since in sorted(self._heard.since.items()))

    def _take(self, heard: Iterable[HeardByAgent | HeardBySwitch]) -> None:
        now = self._clock()
        with self._lock:
            if self._heard.put(list(heard), now):
                self._picture = None
            if now - self._looked_at >= _PAUSE:
                self._look(now)

    def _look(self, now: datetime) -> Picture:
        """Return the picture of now; one that is new is compared with the last, and written down."""
        if now - self._saved_at > _WRITE_AGAIN_AFTER:
            self._heard.forget_before(now - FORGET_AFTER)
            self._picture = None
        self._looked_at = now
        inventory, picture = self._inventory(), self._picture
        if picture is None or picture.inventory is not inventory:
            picture = self._picture = _picture(inventory, self._heard)
            self._compare(picture, now)
            self._is_unsaved = True
        if self._is_unsaved and now - self._saved_at >= _PAUSE:
            self._is_unsaved, self._saved_at = False, now
            if self._directory is not None:
                save(self._heard, self._directory)
        return picture

    def _compare(self, picture: Picture, now: datetime) -> None:
        """Note since when there is what contradicts, and log what is new and what is over."""
        before = self._heard.since
        self._heard.since = {found: before.get(found, now) for found in picture.contradictions}
        for one in sorted(self._heard.since.keys() - before.keys()):
            log.warning("lldp.conflict", host=one.host, interface=one.interface, **_sides(one))
        for one in sorted(before.keys() - self._heard.since.keys()):
            log.info("lldp.conflict_resolved", host=one.host, interface=one.interface, **_sides(one))


def conflicts_in(directory: Path, inventory: Inventory, tables: Mapping[str, Iterable[TableRow]]) -> Sequence[Conflict]:
    """Return the conflicts from what a driver process keeps in its directory and the tables of switches, now.

    Nothing is written: the directory is the driver's.
    """
    now, heard = datetime.now(UTC), load(directory)
    for switch, table in tables.items():
        heard.put(_of_table(switch, table), now)
    found = _picture(inventory, heard).contradictions
    return [Conflict(one, heard.since.get(one, now)) for one in found]


def _of_table(switch: str, table: Iterable[TableRow]) -> Sequence[HeardBySwitch]:
    return [HeardBySwitch(switch, row.interface, row.system_name, row.port_id) for row in table if row.system_name]


def _picture(inventory: Inventory, heard: Sightings) -> Picture:
    """Return what was heard as hosts on ports of our switches; what is about others is left out."""
    by_agents = [seen for one in heard.by_agents() if (seen := _of_agent(inventory, one))]
    hosts = {seen.host for seen in by_agents} | {one.host for one in inventory.attachments}
    by_name = {short_host(host): host for host in sorted(hosts, reverse=True)}
    by_switches = [seen for one in heard.by_switches() if (seen := _of_switch(inventory, one, by_name))]
    found = [*contradictions(inventory, [*by_agents, *by_switches]), *_strange_chassis(inventory, heard)]
    by_host: dict[str, list[Sighting]] = {}
    for seen in (*by_agents, *by_switches):
        by_host.setdefault(short_host(seen.host), []).append(seen)
    return Picture(inventory, by_host, found, frozenset((one.host, one.switch, one.port) for one in found))


def _of_agent(inventory: Inventory, heard: HeardByAgent) -> Sighting | None:
    switch = inventory.find_switch(find_chassis(heard.chassis_id) or "", heard.system_name)
    port = find_port(heard.port_id)
    if switch is None or port is None:
        return None
    return Sighting(heard.host, heard.interface, switch.name, port, Witness.AGENT)


def _strange_chassis(inventory: Inventory, heard: Sightings) -> Iterator[Contradiction]:
    """Yield what agents hear of a switch that has the name of one of ours, and another chassis."""
    for one in heard.by_agents():
        seen = _of_agent(inventory, one)
        chassis = inventory.switches[seen.switch].chassis_id if seen else None
        if seen and chassis and find_chassis(one.chassis_id) != chassis:
            yield Contradiction(
                *(seen.host, seen.interface, seen.switch, seen.port),
                f"{seen.switch} has the chassis {chassis}",
                f"{one.system_name} has the chassis {one.chassis_id}",
            )


def _of_switch(inventory: Inventory, heard: HeardBySwitch, hosts: Mapping[str, str]) -> Sighting | None:
    port = find_port(heard.interface)
    if port is None or heard.switch not in inventory.switches:
        return None
    host = hosts.get(short_host(heard.system_name), "")
    if same_host(host, heard.system_name):
        return Sighting(host, heard.port_id, heard.switch, port, Witness.SWITCH)
    # A stranger matters only where the file expects somebody else: other ports have switches and routers.
    if inventory.owner_of(heard.switch, port) is None:
        return None
    return Sighting(heard.system_name, heard.port_id, heard.switch, port, Witness.SWITCH)


def _sides(one: Contradiction) -> Mapping[str, str]:
    return {"file_says": one.file_says, "lldp_says": one.lldp_says}
