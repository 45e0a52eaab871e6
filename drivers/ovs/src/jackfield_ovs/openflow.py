"""Flows on a bridge: the difference, in one atomic bundle.

`ovs-ofctl diff-flows` compares the switch with the wanted flows, read by the parser that also
writes them, so the comparison knows every way to spell a match. Its answer becomes one bundle:
what is new or different is added, which replaces a rule in place, and what is ours and not
wanted is deleted. Rules without our cookie are not looked at. A bundle is all or nothing, and
while it is applied every packet sees either the old rules or the new ones.

After the first comparison the flows of a bridge are remembered, and the next difference is made
in memory. `forget` says that the memory may be wrong: ovs-vswitchd restarted, or it is time for
an audit.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import structlog

from jackfield_ovs.errors import openflow_error
from jackfield_ovs.flows.flow import Flow, FlowKey
from jackfield_ovs.layout import COOKIE
from jackfield_ovs.settings import OpenFlowRemote, OvsSettings, parse_openflow

log = structlog.get_logger(__name__)

_OURS = f" cookie={COOKIE:#x} "
_COOKIE_AND_ACTIONS = re.compile(r" cookie=0x[0-9a-f]+.*")


class Ofctl:
    """Runs ovs-ofctl against the bridges of one switch."""

    def __init__(self, settings: OvsSettings) -> None:
        """Take the way to the switch from the settings."""
        self._remote = parse_openflow(settings.openflow)
        self._bridges = settings.layout.bridges
        self._timeout = settings.timeout
        self._tls = _tls_options(settings) if self._remote.scheme == "ssl" else []

    def address(self, bridge: str) -> str:
        """Return where the bridge listens, as ovs-ofctl and `session` read it."""
        return bridge_address(self._remote, self._bridges, bridge)

    def listening_at(self, bridge: str) -> str:
        """Return the controller target by which the bridge listens there; empty for a local one.

        A bridge always listens on its `.mgmt` socket; on the network it has to be told.
        """
        if self._remote.scheme == "unix":
            return ""
        passive, _, port = self.address(bridge).removeprefix(f"{self._remote.scheme}:").rpartition(":")
        return f"p{self._remote.scheme}:{port}:{passive}"

    def reaches(self, bridge: str) -> bool:
        """Return True if the bridge has an address, be it in the settings or not."""
        return self._remote.scheme == "unix" or bridge in self._bridges

    def diff(self, bridge: str, flows: Iterable[Flow]) -> list[str]:
        """Return what the bridge has (`-…`) and lacks (`+…`) compared to the flows."""
        # diff-flows takes a file for a bridge unless its name is a path, so "-" will not do.
        return self._run(bridge, ["diff-flows"], "/dev/stdin", flows, accept=(0, 2)).splitlines()

    def look_into_fragments(self, bridge: str) -> None:
        """Have the bridge see ports and ICMPv6 types in the first fragment of a packet, as it does in a whole one.

        Otherwise a guest gets past rules about them with fragments. ovs-vswitchd forgets it when it restarts.
        """
        if "nx-match" not in self._call(bridge, ["get-frags"]):
            self._call(bridge, ["set-frags"], "nx-match")

    def bundle(self, bridge: str, changes: Iterable[object]) -> None:
        """Apply the lines `add …`, `delete_strict …` at once or not at all."""
        self._run(bridge, ["--bundle", "add-flows"], "-", changes, accept=(0,))

    def send(self, bridge: str, frames: Iterable[tuple[int, bytes]]) -> None:
        """Have frames pass through the flows as if they had come in at a port: pairs of its number and the frame."""
        lines = [f"packet-out in_port={number},packet={frame.hex()},actions=table" for number, frame in frames]
        self._run(bridge, ["bundle"], "-", lines, accept=(0,))

    def _run(
        self,
        bridge: str,
        verb: list[str],
        file: str,
        lines: Iterable[object],
        accept: Sequence[int],
    ) -> str:
        return self._call(bridge, verb, file, input="".join(f"{line}\n" for line in lines), accept=accept)

    def _call(
        self, bridge: str, verb: list[str], *arguments: str, input: str = "", accept: Sequence[int] = (0,)
    ) -> str:
        command = ["ovs-ofctl", "-O", "OpenFlow13", "--no-names", *self._tls, *verb]
        try:
            done = subprocess.run(
                [*command, self.address(bridge), *arguments],
                input=input,
                capture_output=True,
                text=True,
                timeout=self._timeout,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise openflow_error(bridge, error) from error
        if done.returncode not in accept:
            raise openflow_error(bridge, RuntimeError(done.stderr))
        return done.stdout


class BridgeFlows:
    """Keeps our flows on one bridge."""

    def __init__(self, ofctl: Ofctl, bridge: str, *, fragments: bool = False) -> None:
        """Know nothing yet of what the bridge holds; `fragments` are looked into if our flows judge them."""
        self._ofctl = ofctl
        self._fragments = fragments
        self._bridge = bridge
        self._held: dict[FlowKey, str] | None = None
        self._swept = False
        self._doubts = 0

    def forget(self) -> None:
        """Compare with the switch next time, not with the memory. May be called from any thread."""
        self._doubts += 1
        self._held = None

    def ensure(self, flows: Iterable[Flow], *, sweep: bool) -> int:
        """Make the bridge hold the flows; delete our others only if `sweep`. Return the changes.

        RetryLater if the bridge does not answer, Infeasible if it refuses a flow.
        """
        wanted = {flow.key: flow.actions for flow in flows}
        if sweep and not self._swept:
            self.forget()
        held, doubts = self._held, self._doubts
        changes = self._against_switch(wanted, sweep) if held is None else _against(held, wanted, sweep)
        self._held = None
        if changes:
            self._ofctl.bundle(self._bridge, changes)
            log.debug("flows.changed", bridge=self._bridge, changes=len(changes))
        if doubts == self._doubts:
            self._held = wanted if sweep else (held or {}) | wanted
        self._swept = sweep
        return len(changes)

    def _against_switch(self, wanted: dict[FlowKey, str], sweep: bool) -> list[str]:
        if self._fragments:
            self._ofctl.look_into_fragments(self._bridge)
        flows = [Flow(*key, actions) for key, actions in wanted.items()]
        difference = self._ofctl.diff(self._bridge, flows)
        added = [line[1:] for line in difference if line.startswith("+")]
        kept = {_match(line) for line in added}
        stale = [_match(line[1:]) for line in difference if line.startswith("-") and _OURS in line]
        deleted = [match for match in stale if match not in kept] if sweep else []
        return [*(f"add {line}" for line in added), *(_deletion(match) for match in deleted)]


def bridge_address(remote: OpenFlowRemote, bridges: Sequence[str], bridge: str) -> str:
    """Return where a bridge of the layout listens for OpenFlow."""
    if remote.scheme == "unix":
        return f"unix:{Path(remote.where) / f'{bridge}.mgmt'}"
    return f"{remote.scheme}:{remote.where}:{remote.first_port + bridges.index(bridge)}"


def _against(held: dict[FlowKey, str], wanted: dict[FlowKey, str], sweep: bool) -> list[str]:
    added = [Flow(*key, text) for key, text in wanted.items() if held.get(key) != text]
    deleted = [key for key in held if key not in wanted] if sweep else []
    lines = [_deletion(f"table={table},priority={priority},{match}") for table, priority, match in deleted]
    return [*(f"add {flow}" for flow in added), *lines]


def _match(line: str) -> str:
    """Cut `table=2 priority=1,in_port=3 cookie=0x1 actions=drop` down to what names the rule."""
    return _COOKIE_AND_ACTIONS.sub("", line)


def _deletion(match: str) -> str:
    # Table 0 goes without saying when a rule is added, but a deletion without a table is in all.
    table = "" if match.startswith("table=") else "table=0,"
    return f"delete_strict cookie={COOKIE:#x}/-1,{table}{match}"


def _tls_options(settings: OvsSettings) -> list[str]:
    key, certificate, authority = settings.tls_files
    return ["-p", str(key), "-c", str(certificate), "-C", str(authority)]
