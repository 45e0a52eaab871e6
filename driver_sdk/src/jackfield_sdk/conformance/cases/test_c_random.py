"""Group C, part three: random lives of a few resources, against the reference model.

Hypothesis draws a sequence of operations, the suite carries it out, and at the end driver and model
must hold the same. A sequence that breaks a rule is made shorter, as far as half a minute allows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence

from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st

from jackfield_sdk.conformance.core import Core
from jackfield_sdk.conformance.model import Resource
from jackfield_sdk.conformance.proxy import Fault, FaultProxy, disturbed
from jackfield_sdk.conformance.rules import KINDS, case
from jackfield_sdk.conformance.verdict import Broken
from jackfield_sdk.conformance.wire import Wire

# Seconds in which a failing sequence is made shorter.
_SHORTEN_WITHIN = 20.0
_LONGEST = 40

Step = tuple[str, int]

_STEPS = st.tuples(
    st.sampled_from(
        ("create", "create", "update", "update", "skip", "repeat", "delete", "delete", "stale", "judge")
        + ("lose answer", "lose request", "double", "cut")
    ),
    st.integers(min_value=0, max_value=5),
)


@case(
    "C20",
    "random-run",
    "After any sequence of changes, repetitions and losses the driver holds what was acknowledged last.",
    "Duties of a driver 2, 3, 4 and 6",
    needs=("postcommit",),
    within=120.0,
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
        assume(deadline is None or time.monotonic() < deadline)
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
    await asyncio.to_thread(seed(core.options.seed)(draw(given(steps)(run))))


async def _live(core: Core, sequence: Sequence[Step]) -> None:
    """Carry out one sequence on up to six resources, compare, and delete them."""
    kinds = core.facts.kinds("postcommit")
    slots: dict[int, Resource] = {}
    first = await core.stand(kinds[-1])
    before = [each for each in core.made if each is not first]
    async with disturbed(core) as (proxy, wire):
        for name, slot in sequence:
            await _step(core, proxy, wire, name, slots, slot, first)
        await _bring_to_rest(core, slots.values())
        await core.expect_listing()
        await core.remove(*[each for each in core.made if each.kind == first.kind and each not in before])
        await core.expect_listing()


async def _step(
    core: Core, proxy: FaultProxy, wire: Wire, name: str, slots: dict[int, Resource], slot: int, first: Resource
) -> None:
    resource = slots.get(slot)
    if resource is None:
        if name in ("create", "double", "lose answer", "lose request", "cut"):
            slots[slot] = core.sibling(first)
            await _deliver(core, proxy, wire, name, slots[slot])
        return
    match name:
        case "judge":
            if resource.kind in core.facts.kinds("precommit"):
                await core.precommit([core.change(resource)])
        case "repeat":
            await core.settle(resource)
        case "stale":
            if resource.acknowledged_revision > 1 and not resource.uncertain:
                await core.send([core.change(resource, revision=resource.acknowledged_revision - 1)])
        case "delete":
            del slots[slot]
            await core.remove(resource)
        case _:
            resource.edit(revisions=9 if name == "skip" else 1)
            await _deliver(core, proxy, wire, name, resource)


async def _deliver(core: Core, proxy: FaultProxy, wire: Wire, name: str, resource: Resource) -> None:
    faults = {
        "lose answer": Fault.DROP_ANSWER,
        "lose request": Fault.DROP_REQUEST,
        "cut": Fault.CUT,
        "double": Fault.DUPLICATE,
    }
    fault = faults.get(name)
    if fault is None or fault is Fault.DUPLICATE:
        if fault is not None:
            proxy.set("Postcommit", fault)
        await core.settle(resource, wire=wire)
        return
    proxy.set("Postcommit", fault)
    resource.uncertain = True
    await wire.attempt("Postcommit", core.request([core.change(resource)]))


async def _bring_to_rest(core: Core, resources: Iterable[Resource]) -> None:
    """Send what is owed, as the core does until nothing is."""
    for resource in sorted(resources, key=lambda each: KINDS.index(each.kind)):
        if resource.uncertain or resource.acknowledged_revision < resource.revision:
            await core.settle(resource)


def _told(sequence: Sequence[Step]) -> str:
    return ", ".join(f"{name} {slot}" for name, slot in sequence)
