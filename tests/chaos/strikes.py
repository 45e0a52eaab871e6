"""Strikes: what is done to whom, when, and for how long, all drawn from a seed before the run begins.

A strike hurts one part and heals it after a while. Several may be under way at the same time, but
not on the same part: one that finds its target struck already is left out, and the timeline says so.
The same seed gives the same plan; what becomes of it depends on the machine too.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from chaos import clock
from chaos.site import FABRICS, Site
from chaos.timeline import Timeline

EVERYBODY = "everybody"
_OFTEN_SHORT = 0.92
_LONGEST = 45.0
"""Seconds; longer than a lease."""
_LONGEST_ORDER = 10.0
"""Seconds; a driver that fails for long is asked again after long."""
_JUMPS = (-3600.0, -90.0, -5.0, 5.0, 90.0, 3600.0)
_DRIVERS_ORDERS = ("slow", "fail", "ask again", "reject")
_SERVICES_ORDERS = ("turn away", "say nothing")
_OVERLAP = 4.0
"""Seconds that a driver's process outlives its successor's start at least: until all cores have moved."""


@dataclass(frozen=True, slots=True)
class Strike:
    """One strike: seconds after the beginning, kind, name of the part, how long in seconds, how much."""

    at: float
    kind: str
    target: str
    seconds: float
    amount: float = 0.0

    def __str__(self) -> str:
        amount = f" by {self.amount:g}" if self.amount else ""
        return f"{self.kind}{amount} for {self.seconds:.1f} s"


def plan(site: Site, seed: int, seconds: float, gap: float) -> list[Strike]:
    """Draw the strikes of a run of so many seconds, *gap* seconds apart on average."""
    chance = random.Random(seed)
    strikes: list[Strike] = []
    at = chance.expovariate(1 / gap)
    while at < seconds:
        strikes.append(_draw(chance, site, at, longest=min(_LONGEST, seconds / 4)))
        at += chance.expovariate(1 / gap)
    return strikes


def _draw(chance: random.Random, site: Site, at: float, longest: float) -> Strike:
    processes, links = list(site.processes), list(site.links)
    kinds: dict[str, tuple[float, Sequence[str]]] = {
        "kill": (6, processes),
        "stop": (5, processes),
        "cut": (3, links),
        "mute": (2, links),
        "deafen": (1, links),
        "lag": (2, links),
        "jump": (3, [*processes, EVERYBODY]),
        "replace": (1, list(site.drivers)),
        "succeed": (2, [fabric.name for fabric in FABRICS if fabric.has_successors]),
        **{kind: (1.5, list(site.drivers)) for kind in _DRIVERS_ORDERS},
        **{kind: (1, list(site.services)) for kind in _SERVICES_ORDERS},
        **{kind: (3, ["database"]) for kind in site.database.troubles},
    }
    kind = chance.choices(list(kinds), [weight for weight, _ in kinds.values()])[0]
    # Mostly short, and now and then as long as a lease or a time-out.
    short, long = chance.expovariate(1 / 3.0) + 0.05, chance.uniform(0.0, longest)
    duration = min(longest, short) if chance.random() < _OFTEN_SHORT else long
    if kind in (*_DRIVERS_ORDERS, *_SERVICES_ORDERS):
        duration = min(duration, _LONGEST_ORDER)
    amount = {"jump": chance.choice(_JUMPS), "slow": round(chance.uniform(0.05, 3), 2)}.get(kind, 0.0)
    return Strike(at, kind, chance.choice(kinds[kind][1]), duration, amount)


class Storm:
    """Carries out a plan."""

    def __init__(self, site: Site, timeline: Timeline) -> None:
        self._site = site
        self._timeline = timeline
        self._busy: set[str] = set()

    async def rage(self, strikes: Sequence[Strike], seconds: float) -> None:
        """Return after so many seconds, when the last strike has ended."""
        now = asyncio.get_running_loop().time
        began = now()
        async with asyncio.TaskGroup() as group:
            for strike in strikes:
                await asyncio.sleep(max(0.0, began + strike.at - now()))
                group.create_task(self._carry_out(strike))
            await asyncio.sleep(max(0.0, began + seconds - now()))

    async def _carry_out(self, strike: Strike) -> None:
        targets = self._site.together(strike.target)
        if targets & self._busy or not self._is_there(strike):
            self._timeline.note(strike.target, f"({strike}: left out, it is struck already)")
            return
        self._busy |= targets
        self._timeline.note(strike.target, str(strike))
        try:
            await self._verb(strike)(strike)
        finally:
            self._busy -= targets
        self._timeline.note(strike.target, f"{strike.kind} is over")

    def _is_there(self, strike: Strike) -> bool:
        process = self._site.processes.get(strike.target)
        return process is None or process.alive or strike.kind == "succeed"

    def _verb(self, strike: Strike) -> Callable[[Strike], Awaitable[None]]:
        verbs: dict[str, Callable[[Strike], Awaitable[None]]] = {
            "kill": self._kill,
            "replace": self._replace,
            "stop": self._stop,
            "succeed": self._succeed,
            "jump": self._jump,
            **dict.fromkeys(("cut", "mute", "deafen", "lag"), self._break),
            **dict.fromkeys((*_DRIVERS_ORDERS, *_SERVICES_ORDERS), self._order),
            **dict.fromkeys(self._site.database.troubles, self._hurt_database),
        }
        return verbs[strike.kind]

    async def _kill(self, strike: Strike) -> None:
        await self._down(strike, lambda: None)

    async def _replace(self, strike: Strike) -> None:
        await self._down(strike, lambda: self._site.forget_fabric(strike.target))

    async def _down(self, strike: Strike, meanwhile: Callable[[], None]) -> None:
        process = self._site.processes[strike.target]
        self._site.struck.add(strike.target)
        process.kill()
        meanwhile()
        await asyncio.sleep(strike.seconds)
        process.launch()
        self._site.struck.discard(strike.target)

    async def _succeed(self, strike: Strike) -> None:
        """Start the next process of a driver at its other address, as for an upgrade; the one before ends later."""
        site = self._site
        pair = site.together(strike.target)
        (new,), (old,) = pair & site.idle, pair - site.idle
        site.drivers[new].launch()
        site.idle.discard(new)
        await asyncio.sleep(_OVERLAP + strike.seconds)
        site.idle.add(old)
        await asyncio.to_thread(site.drivers[old].stop)

    async def _stop(self, strike: Strike) -> None:
        process = self._site.processes[strike.target]
        process.suspend()
        await asyncio.sleep(strike.seconds)
        process.resume()

    async def _break(self, strike: Strike) -> None:
        link = self._site.links[strike.target]
        getattr(link, strike.kind)()
        await asyncio.sleep(strike.seconds)
        link.heal()

    async def _order(self, strike: Strike) -> None:
        slow = strike.amount
        orders: dict[str, object] = {
            "slow": {"delay": {"precommit": slow / 10, "bind": slow / 4, "postcommit": slow}},
            "fail": {"fail_postcommit": {"port": "told to fail", "delete_network": "told to fail"}},
            "ask again": {"in_progress": 2},
            "reject": {"reject": {"port": "told to refuse", "delete_subnet": "told to refuse"}},
            **{kind: [kind] for kind in _SERVICES_ORDERS},
        }
        script = self._site.script(strike.target)
        whole = script.with_suffix(".new")
        whole.write_text(json.dumps(orders[strike.kind]))
        whole.rename(script)
        await asyncio.sleep(strike.seconds)
        script.unlink(missing_ok=True)

    async def _jump(self, strike: Strike) -> None:
        names = list(self._site.processes) if strike.target == EVERYBODY else [strike.target]
        for name in names:
            clock.write_offset(self._site.clock(name), strike.amount)
        await asyncio.sleep(strike.seconds)
        for name in names:
            clock.write_offset(self._site.clock(name), 0.0)

    async def _hurt_database(self, strike: Strike) -> None:
        await getattr(self._site.database, strike.kind)()
        await asyncio.sleep(strike.seconds)
        await self._site.database.heal()
