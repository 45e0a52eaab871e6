"""What was heard by LLDP, as it was heard, and the file that it is kept in.

Only what switches and hosts said is kept, not what it means: a switch that the inventory gets
tomorrow makes sense of what was heard today. The file is replaced as a whole, so that a reader never
sees half of it; one that cannot be read is as good as none, because everything is said again.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import structlog

from jackfield_arista.lldp.conflicts import Contradiction

log = structlog.get_logger(__name__)

FILE_NAME = "lldp.json"


@dataclass(frozen=True, slots=True)
class HeardByAgent:
    """A switch port that a host's agent heard on one of the host's interfaces."""

    host: str
    interface: str
    chassis_id: str
    port_id: str
    system_name: str

    @property
    def end(self) -> tuple[str, str]:
        """Where it was heard."""
        return self.host, self.interface


@dataclass(frozen=True, slots=True)
class HeardBySwitch:
    """A system that a switch heard on one of its interfaces."""

    switch: str
    interface: str
    system_name: str
    port_id: str

    @property
    def end(self) -> tuple[str, str]:
        """Where it was heard."""
        return self.switch, self.interface


HeardT = TypeVar("HeardT", HeardByAgent, HeardBySwitch)
# By whom and on which interface it was heard: all that is heard there, and when it was heard last.
Ends = dict[tuple[str, str], tuple[frozenset[HeardT], datetime]]


@dataclass(slots=True)
class Sightings:
    """The last that was heard on each interface, and since when what contradicts does so."""

    agents: Ends[HeardByAgent] = field(default_factory=dict)
    switches: Ends[HeardBySwitch] = field(default_factory=dict)
    since: dict[Contradiction, datetime] = field(default_factory=dict)

    def put(self, heard: Collection[HeardByAgent | HeardBySwitch], at: datetime) -> bool:
        """Take what is heard on some interfaces for all that is heard on them; tell whether it is news."""
        is_news = _put(self.agents, [one for one in heard if isinstance(one, HeardByAgent)], at)
        return _put(self.switches, [one for one in heard if isinstance(one, HeardBySwitch)], at) or is_news

    def by_agents(self) -> Iterator[HeardByAgent]:
        """Yield what agents heard."""
        return (one for heard, _ in self.agents.values() for one in heard)

    def by_switches(self) -> Iterator[HeardBySwitch]:
        """Yield what switches heard."""
        return (one for heard, _ in self.switches.values() for one in heard)

    def forget_before(self, at: datetime) -> None:
        """Forget what was not heard again since a time."""
        self.agents = {end: known for end, known in self.agents.items() if known[1] >= at}
        self.switches = {end: known for end, known in self.switches.items() if known[1] >= at}


def _put(ends: Ends[HeardT], heard: Iterable[HeardT], at: datetime) -> bool:
    by_end: dict[tuple[str, str], set[HeardT]] = {}
    for one in heard:
        by_end.setdefault(one.end, set()).add(one)
    is_news = any(end not in ends or ends[end][0] != there for end, there in by_end.items())
    ends.update({end: (frozenset(there), at) for end, there in by_end.items()})
    return is_news


def load(directory: Path) -> Sightings:
    """Return what is kept in a directory; nothing if nothing is kept, or nothing that can be read."""
    try:
        kept: Any = json.loads((directory / FILE_NAME).read_text())
        heard = Sightings(since={Contradiction(**each): at for each, at in _rows(kept["conflicts"])})
        for each, at in _rows(kept["agents"]):
            heard.put([HeardByAgent(**each)], at)
        for each, at in _rows(kept["switches"]):
            heard.put([HeardBySwitch(**each)], at)
        return heard
    except FileNotFoundError:
        return Sightings()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("lldp.file_unreadable", file=str(directory / FILE_NAME), reason=type(error).__name__)
        return Sightings()


def save(heard: Sightings, directory: Path) -> None:
    """Write everything down; a disk that is full is logged and costs nothing but the memory of it."""
    kept = {
        "agents": [{**asdict(one), "at": at.isoformat()} for there, at in heard.agents.values() for one in there],
        "switches": [{**asdict(one), "at": at.isoformat()} for there, at in heard.switches.values() for one in there],
        "conflicts": [{**asdict(one), "at": at.isoformat()} for one, at in heard.since.items()],
    }
    try:
        _replace(directory / FILE_NAME, json.dumps(kept, indent=1))
    except OSError as error:
        log.warning("lldp.file_unwritten", file=str(directory / FILE_NAME), reason=error.strerror)


def _rows(rows: Any) -> Iterator[tuple[dict[str, str], datetime]]:
    for row in rows:
        yield {key: str(value) for key, value in row.items() if key != "at"}, datetime.fromisoformat(row["at"])


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
