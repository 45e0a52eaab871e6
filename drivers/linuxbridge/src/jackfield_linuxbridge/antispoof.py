"""Anti-spoofing: a guest speaks only for the addresses that its port was given.

The kernel judges: a table `bridge jackfield` of nftables, made of rules that never change (`antispoof_rules`) and
of sets that say what each port may say (`antispoof_elements`). The table carries our mark in its comment;
other tables are never touched, and a table of that name without the mark is somebody else's.

A pass compares and writes the difference, in transactions that no port is divided by: each goes from its old
state to its new one at once. Nothing is written if nothing differs, and the table outlives the agent, so a
restart opens no gap. The kernel counts transactions: a pass that finds the count where the last one left it
believes its memory and reads nothing.

The elements are keyed by the name of the device, which need not be there yet: a pass that comes before the device
is put into its bridge leaves no moment in which a frame is not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import structlog
from pyroute2.netlink.exceptions import NetlinkDumpInterrupted, NetlinkError

from jackfield_linuxbridge.antispoof_elements import Element, FilteredPort, elements, shut
from jackfield_linuxbridge.antispoof_nft import Nftables, Transaction
from jackfield_linuxbridge.antispoof_rules import CHAINS
from jackfield_linuxbridge.errors import refusal

__all__ = ["Filter", "FilteredPort"]

log = structlog.get_logger(__name__)

# About 130 kB of netlink, of the 400 kB that a socket may send at once on most hosts.
_ELEMENTS_IN_A_TRANSACTION = 1000

_NOTHING: frozenset[Element] = frozenset()
_COMMENTS = {chain: [rule.comment for rule in rules] for chain, rules in CHAINS.items()}

# The elements of each device.
Judged: TypeAlias = dict[str, frozenset[Element]]


class ForeignTableError(Exception):
    """A table has our name and not our mark."""


class Filter:
    """The table of one deployment in this network namespace. Use it from one thread."""

    def __init__(self, deployment: str = "default") -> None:
        """Touch nothing yet."""
        self._table = "jackfield" if deployment == "default" else f"jackfield-{deployment}"
        self._mark = f"jackfield/{deployment}: made by jackfield-linuxbridge"
        self._held: Judged = {}
        self._generation: int | None = None
        # Nothing is concluded from what is remembered before the kernel has answered once.
        self._answered = False
        self._parsed: dict[FilteredPort, frozenset[Element]] = {}

    def reconcile(self, ports: Sequence[FilteredPort], *, sweep: bool) -> Mapping[str, str]:
        """Make the kernel judge the ports; forget devices that are not among them only if `sweep`.

        Returns a reason for each port that is not filtered as it should be: one with a wrong address may say
        nothing at all; one that the kernel refused is judged as before, and not judged if it is new. Keep it
        out of its bridge, and take out one that the kernel does not judge (`judges`).
        """
        wanted, failures = self._wanted(ports)
        try:
            with Nftables() as nft:
                self._look(nft)
                self._write(nft, _changes(self._held, wanted, sweep=sweep))
        except (NetlinkError, OSError, ForeignTableError) as error:
            self._generation = None
            transient = isinstance(error, OSError | NetlinkDumpInterrupted)
            self._answered = self._answered or not transient
            log.warning("antispoof.failed", table=self._table, reason=refusal(error))
            return failures | {port.id: f"anti-spoofing: {refusal(error)}" for port in ports}
        return failures

    def judges(self, device: str) -> bool:
        """Return False if the kernel judges nothing that comes from a device, as the last pass found it."""
        return not self._answered or device in self._held

    def _wanted(self, ports: Sequence[FilteredPort]) -> tuple[Judged, dict[str, str]]:
        wanted: Judged = {}
        failures: dict[str, str] = {}
        parsed: dict[FilteredPort, frozenset[Element]] = {}
        for port in ports:
            try:
                parsed[port] = wanted[port.device] = self._parsed.get(port) or elements(port)
            except ValueError as error:
                failures[port.id] = f"anti-spoofing: {error}"
                wanted[port.device] = shut(port.device)
        self._parsed = parsed
        return wanted, failures

    def _look(self, nft: Nftables) -> None:
        """Make true what is remembered, and the table and its rules whole."""
        generation = nft.generation()
        if generation == self._generation:
            return
        comment = nft.comment(self._table)
        if comment not in (None, self._mark):
            self._held = {}
            raise ForeignTableError(f"table bridge {self._table} is not ours: its comment is not {self._mark!r}")
        whole = comment is not None and nft.rule_comments(self._table) == _COMMENTS
        if not whole:
            self._held = {}
            nft.commit(Transaction(self._table).make_table(self._mark).replace_rules())
            log.info("antispoof.rules_written", table=self._table)
        self._held = _by_device(nft.elements(self._table))
        self._generation = generation + (not whole)
        self._answered = True

    def _write(self, nft: Nftables, changes: Sequence[Judged]) -> None:
        for change in changes:
            stale = [element for device in change for element in self._held.get(device, _NOTHING) - change[device]]
            fresh = [element for device in change for element in change[device] - self._held.get(device, _NOTHING)]
            nft.commit(Transaction(self._table).delete(stale).add(fresh))
            self._held |= change
        self._held = {device: held for device, held in self._held.items() if held}
        if self._generation is not None and changes:
            expected = self._generation + len(changes)
            self._generation = expected if nft.generation() == expected else None


def _by_device(found: Iterable[Element]) -> Judged:
    devices: dict[str, set[Element]] = {}
    for element in found:
        devices.setdefault(element.device, set()).add(element)
    return {device: frozenset(held) for device, held in devices.items()}


def _changes(held: Judged, wanted: Judged, *, sweep: bool) -> list[Judged]:
    """Return what each device that differs must hold, in portions of one transaction each."""
    target = dict.fromkeys(held, _NOTHING) | wanted if sweep else wanted
    portions: list[Judged] = []
    room = 0
    for device, elements_of in target.items():
        cost = len(elements_of ^ held.get(device, _NOTHING))
        if not cost:
            continue
        if not portions or cost > room:
            portions.append({})
            room = _ELEMENTS_IN_A_TRANSACTION
        portions[-1][device] = elements_of
        room -= cost
    return portions
