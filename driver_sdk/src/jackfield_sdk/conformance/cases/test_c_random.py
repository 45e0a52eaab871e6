"""Group C, part three: random lives of a few resources, against the reference model.

Hypothesis draws a sequence of operations, the suite carries it out, and at the end driver and model
must hold the same. A sequence that breaks a rule is made shorter, as far as ten seconds allow.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyFailure

from jackfield_sdk.conformance.core import Core
from jackfield_sdk.conformance.model import Resource
from jackfield_sdk.conformance.proxy import Fault, FaultProxy, disturbed
from jackfield_sdk.conformance.rules import KINDS, case
from jackfield_sdk.conformance.verdict import Broken
from jackfield_sdk.conformance.wire import Wire

# Seconds in which a failing sequence is made shorter.
_SHORTEN_WITHIN = 10.0
_LONGEST = 40
_SLOTS = 6

Step = tuple[str, int]

_FAULTS = {
    "lose answer": Fault.DROP_ANSWER,
    "lose request": Fault.DROP_REQUEST,
    "cut": Fault.CUT,
    "double": Fault.DUPLICATE,
}

_STEPS = st.tuples(
    st.sampled_from(
        ("precommit", "create", "create", "update", "update", "skip", "repeat", "delete", "delete", "stale", *_FAULTS)
    ),
    st.integers(min_value=0, max_value=_SLOTS - 1),
)


@case(
    "C20",
    "random-run",
    "After any sequence of changes, repetitions and losses the driver holds what was acknowledged last.",
    "Duties of a driver 2, 3, 4 and 6",
    needs=("postcommit",),
)
async def test_random_run(core: Core) -> None:
    """Carry out random sequences; the seed of the run repeats them."""
    steps = st.lists(_STEPS, min_size=8, max_size=_LONGEST)
    deadline: float | None = None
    known: dict[tuple[Step, ...], Broken] = {}
    loop = asyncio.get_running_loop()

    def run(sequence: Sequence[Step]) -> None:
        nonlocal deadline
        if (error := known.get(tuple(sequence))) is not None:
            raise error
        if deadline is not None and time.monotonic() > deadline:
            raise _EnoughError
        try:
            asyncio.run_coroutine_threadsafe(_live(core, sequence), loop).result()
        except Broken as broken:
            broken.came = f"{broken.came}; after {_told(sequence)}"
            known[tuple(sequence)] = broken
            deadline = deadline or time.monotonic() + _SHORTEN_WITHIN
            raise

    draw = settings(
        max_examples=core.options.max_examples,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    # Hypothesis is not async, so it draws in a thread while the loop carries out.
    try:
        await asyncio.to_thread(seed(core.options.seed)(draw(given(steps)(run))))
    except (FlakyFailure, _EnoughError):
        # The driver broke the rule once, and perhaps not again in the same sequence: broken all the same.
        raise known[min(known, key=len)] from None


class _EnoughError(BaseException):
    """Ends the search: Hypothesis would go on with every other exception."""


async def _live(core: Core, sequence: Sequence[Step]) -> None:
    """Carry out one sequence, compare, delete everything, and compare again."""
    # What an earlier sequence left behind is not this one's affair.
    core.scope.clear()
    async with disturbed(core) as (proxy, wire):
        life = _Life(core, proxy, wire, await _a_family(core))
        await life.begin()
        for name, slot in sequence:
            await life.step(name, slot)
        await life.come_to_rest()
        await core.expect_listing()
        await life.end()
        await core.expect_listing()


async def _a_family(core: Core) -> dict[str, Resource]:
    """Make a resource of each kind that the driver takes, the later ones on the earlier ones."""
    kinds = core.facts.kinds("postcommit")
    last = await core.stand(kinds[-1])
    family = {each.kind: each for each in [*last.stands_on, last]}
    return {kind: family[kind] for kind in kinds if kind in family}


class _Life:
    """Six resources, and what happens to them; a slot is always of the same kind."""

    def __init__(self, core: Core, proxy: FaultProxy, wire: Wire, family: dict[str, Resource]) -> None:
        self._core = core
        self._proxy = proxy
        self._wire = wire
        self._family = family
        self._slots: dict[int, Resource] = {}

    async def begin(self) -> None:
        """Fill half of the slots, so that there is something to change from the first step on."""
        for slot in range(0, _SLOTS, 2):
            await self.step("create", slot)

    async def step(self, name: str, slot: int) -> None:
        """Do one thing to a slot; what needs a resource does nothing to an empty one."""
        core, resource = self._core, self._slots.get(slot)
        if resource is None:
            if name == "create" or name in _FAULTS:
                self._slots[slot] = core.sibling(list(self._family.values())[slot % len(self._family)])
                await self._deliver(name, self._slots[slot])
            return
        match name:
            case "precommit":
                if core.facts.judges(change := core.change(resource)):
                    await core.precommit([change])
            case "repeat":
                await core.settle(resource)
            case "stale":
                if resource.acknowledged_revision > 1 and not resource.uncertain:
                    await core.send([core.change(resource, revision=resource.acknowledged_revision - 1)])
            case "delete":
                del self._slots[slot]
                await core.remove(resource)
            case _:
                resource.edit(revisions=9 if name == "skip" else 1)
                await self._deliver(name, resource)

    async def come_to_rest(self) -> None:
        """Send what is owed, parents first, as the core does until nothing is."""
        for resource in self._sorted():
            if resource.uncertain or resource.acknowledged_revision < resource.revision:
                await self._core.settle(resource)

    async def end(self) -> None:
        """Delete everything, children first."""
        for resource in reversed(self._sorted()):
            await self._core.remove(resource)
        for resource in reversed(self._family.values()):
            await self._core.remove(resource)

    async def _deliver(self, name: str, resource: Resource) -> None:
        fault = _FAULTS.get(name)
        if fault is not None:
            self._proxy.set("Postcommit", fault)
        if fault in (None, Fault.DUPLICATE):
            await self._core.settle(resource, wire=self._wire)
            return
        resource.uncertain = True
        await self._wire.attempt("Postcommit", self._core.request([self._core.change(resource)]))

    def _sorted(self) -> list[Resource]:
        return sorted(self._slots.values(), key=lambda each: KINDS.index(each.kind))


def _told(sequence: Sequence[Step]) -> str:
    return ", ".join(f"{name} {slot}" for name, slot in sequence)
