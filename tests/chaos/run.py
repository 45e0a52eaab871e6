"""One run: start, load, storm, calm, verdict."""

import asyncio
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg

from chaos import rows
from chaos.load import Client, make_common
from chaos.promises import Journal
from chaos.site import Site
from chaos.strikes import Storm, plan
from chaos.timeline import Timeline
from chaos.verdict import problems

SHOWN = 40
"""Problems that are shown of each run."""
BROKEN = 10
"""Promises of which all answers are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run is made of; times are in seconds."""

    seed: int
    seconds: float
    backend: str = "postgresql"
    clients: int = 4
    pause: float = 0.05
    """Between two requests of one client, on average."""
    gap: float = 3.0
    """Between two strikes, on average."""
    quiet: float = 60.0
    """After which nothing may be wrong any more."""
    core: str = ""
    """Further TOML for the core."""

    @property
    def command(self) -> str:
        """How to run this again by hand."""
        return f"make chaos SECONDS={self.seconds:g} SEED={self.seed} DATABASE={self.backend}"


@dataclass(slots=True)
class Report:
    """What came of a run."""

    settings: Settings
    timeline: Timeline
    journal: Journal
    site: Site
    calm_after: float = 0.0
    found: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """True if nothing is wrong."""
        return not self.found

    def __str__(self) -> str:
        ended = ", ".join(f"{name} {count} times" for name, count in sorted(Counter(self.site.ended).items()))
        lines = [
            f"seed {self.settings.seed}: {self.settings.command}",
            f"{len(self.journal.answers)} answers: {self.journal.statuses()}",
            f"ended by itself: {ended or 'nothing'}",
            f"{len(self.found)} problems after {self.calm_after:.1f} s of quiet",
            *self.found[:SHOWN],
        ]
        return "\n".join(lines)

    def evidence(self) -> str:
        """Return what was done to whom, and the answers about what was promised and is not so."""
        broken = [one for one in self.journal.promises if any(one.is_named_in(problem) for problem in self.found)]
        answers = [line for promise in broken[:BROKEN] for line in (str(promise), *self.journal.of(promise))]
        return "\n".join(
            [*self.timeline.lines, "", *answers, "", f"logs, files and rows: {self.site.folder}", str(self)]
        )


async def run(settings: Settings, show: Callable[[str], object] = lambda _line: None) -> Report:
    """Run chaos; the folder of the site stays if anything is wrong."""
    show(f"seed {settings.seed}: {settings.command}")
    timeline, journal = Timeline(show), Journal()
    site = Site(settings.backend, timeline, settings=settings.core)
    report = Report(settings, timeline, journal, site)
    try:
        async with site:
            await _storm(site, settings, timeline, journal)
            await _calm_down(report)
            if not report.is_good:
                await asyncio.to_thread(rows.dump, site.database.url, site.folder)
    except BaseException:
        site.keep()
        show(report.evidence())
        raise
    if report.is_good:
        site.remove()
    else:
        site.keep()
        show(report.evidence())
    return report


async def _storm(site: Site, settings: Settings, timeline: Timeline, journal: Journal) -> None:
    common = await make_common(site.api_urls, journal)
    chance = random.Random(settings.seed)
    clients = [
        Client(f"c{number}", site.api_urls, common, journal, timeline, chance.getrandbits(32))
        for number in range(settings.clients)
    ]
    timeline.note("clients", "begin")
    working = [asyncio.create_task(client.work(settings.pause)) for client in clients]
    try:
        strikes = plan(site, settings.seed, settings.seconds, settings.gap)
        await Storm(site, timeline).rage(strikes, settings.seconds)
    finally:
        timeline.note("clients", "end")
        for client in clients:
            client.end()
        await site.heal()
        await asyncio.gather(*working)
    timeline.note("everybody", "is well again")


async def _calm_down(report: Report) -> None:
    """Look again and again until nothing is wrong, or the time is over."""
    began = time.monotonic()
    while True:
        report.found = await asyncio.to_thread(_look, report)
        report.calm_after = time.monotonic() - began
        if not report.found or report.calm_after > report.settings.quiet:
            break
        await asyncio.sleep(0.5)
    report.found += report.journal.lies
    report.timeline.note("everybody", f"{len(report.found)} problems after {report.calm_after:.1f} s")


def _look(report: Report) -> list[str]:
    try:
        return problems(report.site, report.journal)
    except (OSError, psycopg.Error, sqlite3.Error) as error:
        return [f"not everything can be read: {error}"]
