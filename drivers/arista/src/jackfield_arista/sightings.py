"""What was heard by LLDP, as it was heard, and the file that it is kept in.

Only what switches and hosts said is kept, not what it means: a switch that the inventory gets
tomorrow makes sense of what was heard today. The file is replaced as a whole, so that a reader never
sees half of it; one that cannot be read is as good as none, because everything is said again.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from jackfield_arista.conflicts import Contradiction

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


@dataclass(frozen=True, slots=True)
class HeardBySwitch:
    """A system that a switch heard on one of its interfaces."""

    switch: str
    interface: str
    system_name: str
    port_id: str


@dataclass(slots=True)
class Sightings:
    """The last that was heard in each place and when, and since when what contradicts does so."""

    agents: dict[HeardByAgent, datetime] = field(default_factory=dict)
    switches: dict[HeardBySwitch, datetime] = field(default_factory=dict)
    since: dict[Contradiction, datetime] = field(default_factory=dict)

    def put_agent(self, heard: HeardByAgent, at: datetime) -> bool:
        """Take what an agent heard in the place of what it heard there before; tell whether it is news."""
        is_news = heard not in self.agents
        if is_news:
            there = (heard.host, heard.interface)
            self.agents = {one: when for one, when in self.agents.items() if (one.host, one.interface) != there}
        self.agents[heard] = at
        return is_news

    def put_switch(self, heard: HeardBySwitch, at: datetime) -> bool:
        """Take what a switch heard in the place of what it heard there before; tell whether it is news."""
        is_news = heard not in self.switches
        if is_news:
            there = (heard.switch, heard.interface)
            self.switches = {one: when for one, when in self.switches.items() if (one.switch, one.interface) != there}
        self.switches[heard] = at
        return is_news

    def forget_before(self, at: datetime) -> None:
        """Forget what was not heard again since a time."""
        self.agents = {one: when for one, when in self.agents.items() if when >= at}
        self.switches = {one: when for one, when in self.switches.items() if when >= at}


def load(directory: Path) -> Sightings:
    """Return what is kept in a directory; nothing if nothing is kept, or nothing that can be read."""
    try:
        kept: Any = json.loads((directory / FILE_NAME).read_text())
        return Sightings(
            {HeardByAgent(**each): at for each, at in _rows(kept["agents"])},
            {HeardBySwitch(**each): at for each, at in _rows(kept["switches"])},
            {Contradiction(**each): at for each, at in _rows(kept["conflicts"])},
        )
    except FileNotFoundError:
        return Sightings()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("lldp.file_unreadable", file=str(directory / FILE_NAME), reason=type(error).__name__)
        return Sightings()


def save(heard: Sightings, directory: Path) -> None:
    """Write everything down; a disk that is full is logged and costs nothing but the memory of it."""
    kept = {
        "agents": [{**asdict(one), "at": at.isoformat()} for one, at in heard.agents.items()],
        "switches": [{**asdict(one), "at": at.isoformat()} for one, at in heard.switches.items()],
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
