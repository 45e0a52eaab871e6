"""`jackfield-arista check`: every switch is tried, all at the same time, and nothing on them is changed.

The steps are those of a change up to the point where it would begin: reach, host key, login, what the
switch can, what it holds. Then what it holds is compared with the inventory, and what it hears by LLDP
with everything that the driver has heard. A step that fails ends the look at its switch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from jackfield_arista.check import findings
from jackfield_arista.check.findings import Finding, Level
from jackfield_arista.device.dialling import Dialler
from jackfield_arista.device.errors import RpcFailed, SwitchError
from jackfield_arista.device.session import Neighbour, Session
from jackfield_arista.inventory.entries import Switch
from jackfield_arista.inventory.model import Inventory
from jackfield_arista.lldp.conflicts import Conflict
from jackfield_arista.lldp.topology import conflicts_in
from jackfield_arista.settings import AristaSettings

_AT_ONCE = 64


@dataclass(slots=True)
class Report:
    """What was found at one switch, and its LLDP table."""

    switch: Switch
    findings: list[Finding] = field(default_factory=list)
    table: Sequence[Neighbour] = ()

    @property
    def is_fine(self) -> bool:
        """True if nothing is wrong; notes are not."""
        return all(finding.level is not Level.WRONG for finding in self.findings)


def check(settings: AristaSettings, inventory: Inventory, names: Sequence[str] = ()) -> Sequence[Report]:
    """Try switches, all of them if none is named; KeyError for a name that the inventory does not have."""
    switches = [inventory.switch(name) for name in names or sorted(inventory.switches)]
    with ThreadPoolExecutor(min(_AT_ONCE, len(switches) or 1), thread_name_prefix="check") as threads:
        reports = list(threads.map(lambda switch: _try(settings, inventory, switch), switches))
    tables = {report.switch.name: report.table for report in reports}
    for conflict in conflicts_in(settings.state_directory, inventory, tables):
        for report in reports:
            if report.switch.name == conflict.found.switch:
                report.findings.append(_of_conflict(conflict))
    return reports


def _try(settings: AristaSettings, inventory: Inventory, switch: Switch) -> Report:
    report = Report(switch, list(findings.of_identity(switch)))
    try:
        with Dialler(settings).way_to(inventory, switch)() as session:
            report.findings.append(Finding("login", Level.FINE, f"as {inventory.credential_of(switch.name).username}"))
            report.table = _table(session)
            report.findings.extend(_look(inventory, switch, session))
    except SwitchError as error:
        report.findings.append(findings.of_error(error))
    return report


def _look(inventory: Inventory, switch: Switch, session: Session) -> Iterator[Finding]:
    yield from findings.of_capabilities(switch, session)
    configuration = session.read()
    yield from findings.of_vlans(inventory, switch, configuration)
    yield from findings.of_ports(inventory, switch, configuration, _links(session))


def _links(session: Session) -> Mapping[str, bool]:
    """Return which interfaces are up, nothing if the switch does not tell."""
    try:
        return session.links()
    except RpcFailed:
        return {}


def _table(session: Session) -> Sequence[Neighbour]:
    try:
        return session.neighbours()
    except RpcFailed:
        return ()


def _of_conflict(conflict: Conflict) -> Finding:
    advice = "mend the cable or the file; until then the file counts"
    return Finding("LLDP", Level.WRONG, str(conflict), advice)
