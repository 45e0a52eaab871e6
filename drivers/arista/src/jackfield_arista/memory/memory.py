"""What is wanted of each switch, in a file: written before a switch is touched, gone after it is rid of it.

A port wants memberships (a VLAN on a port of a switch), each a row. The rows of a switch together are
what it should hold: a VLAN stays on a trunk as long as one row wants it there. What is deleted is marked
as leaving, and its rows go only once the switch was seen without it. So a driver that is killed at any
moment knows at its next start what is still to be made and what is still to be removed.

A switch that the inventory does not have any more keeps its rows: it may be back in a moment, and what is
on it is what it was. Only what is deleted meanwhile leaves.

Beside that: what a port was before the first row took it; and what of ours a switch held when this
memory saw it for the first time. A memory that was lost does not know who needs that, so it removes
nothing of it until the core has deleted the network. What the ports were is lost as well, and they are
remembered as they show themselves without it.

Every write is synced to the disk, so what happens at the same time is written at once (`keep`).
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from pathlib import Path

from jackfield_sdk import Kind

from jackfield_arista.configuration.model import Mode, SwitchPort
from jackfield_arista.memory.file import MemoryFile
from jackfield_arista.memory.tables import Holding, Kept, Pair, Resource, Row, read_port, write_port
from jackfield_arista.wanted.wants import Membership, Want

MEMORY = "memory.db"
"""What the file is called in the state directory."""


class Memory(MemoryFile):
    """What is in the file. Every method may be called from any thread; all raise DriverError if the file fails them."""

    # Whose it is.

    @property
    def deployment_id(self) -> str:
        """The deployment whose resources these are; empty before the first."""
        with self._lock:
            found = self._one("SELECT value FROM fact WHERE name = 'deployment'")
        return found[0] if found else ""

    def belong_to(self, deployment_id: str) -> Path | None:
        """Keep for this deployment. What another one had told is set aside: return the file that has it, if so."""
        before = self.deployment_id
        if before == deployment_id:
            return None
        aside = self._set_aside() if before else None
        with self._writing():
            if before:
                for table in ("resource", "membership", "taken", "inherited", "unsaved", "switch"):
                    self._database.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
                self._database.execute("UPDATE fact SET value = ? WHERE name = 'id'", (uuid.uuid4().hex,))
            self._database.execute("INSERT OR REPLACE INTO fact VALUES ('deployment', ?)", (deployment_id,))
        return aside

    def epoch(self, switch: str) -> str:
        """Return what changes when this memory is a new one, or the switch lost what it held."""
        with self._lock:
            (identity,) = self._one("SELECT value FROM fact WHERE name = 'id'") or ("",)
            (resets,) = self._one("SELECT resets FROM switch WHERE name = ?", switch) or (0,)
        return f"{identity}.{resets}"

    # What the core wants.

    def keep(self, wants: Sequence[tuple[Want, Collection[str]]]) -> list[Kept]:
        """Write what resources want, all in one transaction.

        With each want come switches that are known to hold something of a network that leaves.
        """
        with self._writing():
            return [self._keep(want, known) for want, known in wants]

    def _keep(self, want: Want, known: Collection[str]) -> Kept:
        found = self._one("SELECT revision, leaving FROM resource WHERE kind = ? AND id = ?", want.kind, want.id)
        if found is not None and found[0] > want.revision and not want.orphan:
            return Kept(held=found[0])
        if want.leaving and found is None and want.kind is Kind.PORT:
            return Kept()
        network_id = want.network_id or self._network_of(want)
        self._database.execute(
            "INSERT OR REPLACE INTO resource VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (want.kind, want.id, network_id, want.revision, want.digest, want.leaving)
            + (want.plugged, want.host, want.physical_network),
        )
        self._release(want)
        members = want.memberships
        if want.leaving and want.kind is Kind.NETWORK:
            switches = {*known, *self._switches_of_network(want.id)}
            members = tuple(Membership(switch, "", Mode.TRUNK, 0) for switch in sorted(switches))
        for member in members:
            self._want(want, network_id, member)
        return Kept(self._switches_of(want))

    def _release(self, want: Want) -> None:
        """Have what a resource wanted leave, wherever anybody can say that it is not wanted any more."""
        mine = "UPDATE membership SET leaving = 1, revision = ? WHERE kind = ? AND id = ? AND switch = ?"
        for switch in self.switches_of(want.kind, want.id):
            if want.leaving or want.reach is None or switch in want.reach:
                self._database.execute(mine, (want.revision, want.kind, want.id, switch))

    def _want(self, want: Want, network_id: str, member: Membership) -> None:
        # The number stays, because who came first has the port or the VLAN.
        statement = """
            INSERT INTO membership (kind, id, network_id, switch, port, mode, vlan, vni, revision, leaving)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (kind, id, switch, port, vlan) DO UPDATE SET
                network_id = excluded.network_id, made = made AND mode = excluded.mode AND vni IS excluded.vni,
                mode = excluded.mode, vni = excluded.vni, revision = excluded.revision, leaving = excluded.leaving
        """
        where = (member.switch, member.port, member.mode, member.vlan, member.vni)
        self._database.execute(statement, (want.kind, want.id, network_id, *where, want.revision, want.leaving))
        told = "DELETE FROM inherited WHERE switch = ? AND port IN (?, '') AND vlan = ?"
        self._database.execute(told, (member.switch, member.port, member.vlan))

    def _switches_of(self, want: Want) -> tuple[str, ...]:
        found = self.switches_of(want.kind, want.id)
        if not found and want.leaving:
            self._database.execute("DELETE FROM resource WHERE kind = ? AND id = ?", (want.kind, want.id))
        return tuple(sorted(found))

    def _network_of(self, want: Want) -> str:
        found = self._one("SELECT network_id FROM resource WHERE kind = ? AND id = ?", want.kind, want.id)
        return found[0] if found else ""

    def _switches_of_network(self, network_id: str) -> set[str]:
        rows = self._all(
            "SELECT switch FROM membership WHERE network_id = ? "
            "UNION SELECT switch FROM inherited WHERE network_id = ?",
            network_id,
            network_id,
        )
        return {switch for (switch,) in rows}

    # What the worker of a switch asks and tells.

    def rows(self, switch: str) -> tuple[Row, ...]:
        """Return everything that is wanted on a switch, or leaves it, who came first first."""
        columns = "number, kind, id, network_id, switch, port, mode, vlan, vni, revision, leaving, made"
        found = self._all(f"SELECT {columns} FROM membership WHERE switch = ? ORDER BY number", switch)  # noqa: S608
        return tuple(
            Row(number, Kind(kind), id, network, Membership(where, port, Mode(mode), vlan, vni), revision, *flags)
            for number, kind, id, network, where, port, mode, vlan, vni, revision, *flags in (
                (*each[:10], bool(each[10]), bool(each[11])) for each in found
            )
        )

    def networks(self) -> frozenset[str]:
        """Return the networks that the core has told of."""
        found = self._all("SELECT network_id FROM resource UNION SELECT network_id FROM membership")
        return frozenset(network for (network,) in found)

    def settle(
        self,
        switch: str,
        made: Iterable[Row],
        gone: Iterable[Row],
        freed: Iterable[str],
        takes: Iterable[SwitchPort] = (),
        *,
        is_saved: bool = False,
    ) -> None:
        """Take note that the switch was seen with `made` and without `gone`, and `freed` ports are given back.

        `takes` are ports that needed no edit for what is `made`; `is_saved` if that survives a restart of the switch.
        """
        with self._writing():
            self._take(switch, takes)
            if is_saved:
                self._database.execute("DELETE FROM unsaved WHERE switch = ?", (switch,))
            self._database.executemany(
                "UPDATE membership SET made = 1 WHERE number = ? AND revision = ?",
                [(row.number, row.revision) for row in made],
            )
            self._database.executemany(
                "DELETE FROM membership WHERE number = ? AND revision = ? AND leaving",
                [(row.number, row.revision) for row in gone],
            )
            self._database.executemany(
                "DELETE FROM resource WHERE kind = ? AND id = ? AND leaving AND NOT EXISTS "
                "(SELECT 1 FROM membership WHERE membership.kind = resource.kind AND membership.id = resource.id)",
                {(row.kind, row.id) for row in gone},
            )
            left = [(switch, row.network_id) for row in gone if row.kind is Kind.NETWORK]
            self._database.executemany("DELETE FROM inherited WHERE switch = ? AND network_id = ?", left)
            self._database.executemany(
                "DELETE FROM taken WHERE switch = ? AND port = ?", [(switch, port) for port in freed]
            )

    def begin_edit(self, switch: str, ports: Iterable[SwitchPort]) -> None:
        """Remember what ports are before an edit puts something of ours on them, and that it has to be saved."""
        with self._writing():
            self._take(switch, ports)
            self._database.execute("INSERT OR IGNORE INTO unsaved VALUES (?)", (switch,))

    def _take(self, switch: str, ports: Iterable[SwitchPort]) -> None:
        taken = [(switch, port.name, write_port(port)) for port in ports]
        self._database.executemany("INSERT OR REPLACE INTO taken VALUES (?, ?, ?)", taken)

    def is_unsaved(self, switch: str) -> bool:
        """Return whether an edit was begun whose end nobody has seen: it may be true, and not saved."""
        return self._one("SELECT 1 FROM unsaved WHERE switch = ?", switch) is not None

    def saved(self, switch: str) -> None:
        """Take note that what a switch holds survives its restart."""
        with self._writing():
            self._database.execute("DELETE FROM unsaved WHERE switch = ?", (switch,))

    def taken(self, switch: str) -> Mapping[str, SwitchPort]:
        """Return what ports of a switch were before they were taken, by name."""
        found = self._all("SELECT port, before FROM taken WHERE switch = ?", switch)
        return {port: read_port(before) for port, before in found}

    def inherited(self, switch: str) -> Mapping[Pair, str] | None:
        """Return what of ours was on a switch before this memory, with its network; None if it was never seen."""
        with self._lock:
            if self._one("SELECT 1 FROM switch WHERE name = ? AND seen", switch) is None:
                return None
            found = self._all("SELECT port, vlan, network_id FROM inherited WHERE switch = ?", switch)
        return {(port, vlan): network for port, vlan, network in found}

    def inherit(self, switch: str, found: Mapping[Pair, str], ports: Iterable[SwitchPort] = ()) -> None:
        """Remember what of ours is on a switch that this memory sees for the first time, and its ports without that."""
        with self._writing():
            self._take(switch, ports)
            self._database.execute(
                "INSERT INTO switch (name, seen) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET seen = 1", (switch,)
            )
            rows = [(switch, port, vlan, network) for (port, vlan), network in found.items()]
            self._database.executemany("INSERT OR IGNORE INTO inherited VALUES (?, ?, ?, ?)", rows)

    def reset(self, switch: str, still_ours: Collection[str] = ()) -> None:
        """Take note that a switch lost everything that it held, but for what some ports show of us."""
        with self._writing():
            self._database.execute(
                "INSERT INTO switch (name, resets) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET resets = resets + 1",
                (switch,),
            )
            self._database.execute("UPDATE membership SET made = 0 WHERE switch = ?", (switch,))
            self._database.execute("DELETE FROM inherited WHERE switch = ?", (switch,))
            lost = [(switch, port) for port in self.taken(switch) if port not in still_ours]
            self._database.executemany("DELETE FROM taken WHERE switch = ? AND port = ?", lost)

    # What the driver lists.

    def ports(self) -> Mapping[str, Resource]:
        """Return all ports that are wanted, by id."""
        columns = "kind, id, revision, digest, plugged, host, physical_network"
        found = self._all(f"SELECT {columns} FROM resource WHERE kind = 'port' AND NOT leaving")  # noqa: S608
        return {
            id: Resource(Kind(kind), id, revision, digest, bool(plugged), host, physical_network)
            for kind, id, revision, digest, plugged, host, physical_network in found
        }

    def port(self, id: str) -> Resource | None:
        """Return a port that is wanted."""
        columns = "kind, id, revision, digest, plugged, host, physical_network"
        found = self._one(f"SELECT {columns} FROM resource WHERE kind = 'port' AND id = ? AND NOT leaving", id)  # noqa: S608
        if found is None:
            return None
        _, _, revision, digest, plugged, host, physical_network = found
        return Resource(Kind.PORT, id, revision, digest, bool(plugged), host, physical_network)

    def places(self, switches: Container[str]) -> Mapping[str, frozenset[tuple[str, str]]]:
        """Return the (switch, port) that each port has on some switches, by id."""
        found: dict[str, set[tuple[str, str]]] = {}
        for id, *place in self._all("SELECT id, switch, port FROM membership WHERE kind = 'port' AND NOT leaving"):
            if place[0] in switches:
                found.setdefault(id, set()).add((place[0], place[1]))
        return {id: frozenset(places) for id, places in found.items()}

    def outdated(self, switches: Container[str]) -> frozenset[str]:
        """Return the ports that were told again while one of these switches was not in the inventory, by id."""
        found = self._all(
            "SELECT id, switch FROM membership JOIN resource USING (kind, id) "
            "WHERE kind = 'port' AND NOT membership.leaving AND membership.revision < resource.revision"
        )
        return frozenset(id for id, switch in found if switch in switches)

    def switches_of(self, kind: Kind, id: str) -> frozenset[str]:
        """Return the switches that a resource wants something of, or leaves."""
        found = self._all("SELECT DISTINCT switch FROM membership WHERE kind = ? AND id = ?", kind, id)
        return frozenset(switch for (switch,) in found)

    def forget_switch(self, name: str) -> None:
        """Forget a switch for good: what was to leave it stays there, and what its ports were is not known any more."""
        with self._writing():
            for table in ("membership", "taken", "inherited", "unsaved"):
                self._database.execute(f"DELETE FROM {table} WHERE switch = ?", (name,))  # noqa: S608
            self._database.execute("DELETE FROM switch WHERE name = ?", (name,))
            self._database.execute(
                "DELETE FROM resource WHERE leaving AND NOT EXISTS "
                "(SELECT 1 FROM membership WHERE membership.kind = resource.kind AND membership.id = resource.id)"
            )

    def holdings(self) -> Mapping[str, Holding]:
        """Return what is remembered of each switch, by name."""
        found = self._all(
            "SELECT name, sum(wanted), sum(leaving), sum(taken), sum(inherited) FROM ("
            "SELECT switch AS name, NOT leaving AS wanted, leaving, 0 AS taken, 0 AS inherited FROM membership "
            "UNION ALL SELECT switch, 0, 0, 1, 0 FROM taken UNION ALL SELECT switch, 0, 0, 0, 1 FROM inherited "
            "UNION ALL SELECT name, 0, 0, 0, 0 FROM switch) GROUP BY name ORDER BY name"
        )
        return {name: Holding(*counts) for name, *counts in found}
