"""Group C, part five: changes of all sorts in one call."""

from __future__ import annotations

from jackfield_sdk.conformance.core import Core, not_judged_without
from jackfield_sdk.conformance.rules import case

# Resources of each sort.
_OF_EACH = 3


@case(
    "C25",
    "mixed-call",
    "Creates, updates and deletes that come in one call are all made true.",
    "Duties of a driver 6, and MechanismService, Postcommit",
    needs=("postcommit",),
    since="1.2",
)
async def test_mixed_call(core: Core) -> None:
    """Send them by turns, and compare the listing."""
    number = min(_OF_EACH, core.facts.batch // 3)
    not_judged_without(number, "max_batch is below 3")
    first = await core.stand(core.facts.kinds("postcommit")[-1])
    going = [first, *[core.sibling(first) for _ in range(number - 1)]]
    staying, coming = ([core.sibling(first) for _ in range(number)] for _ in range(2))
    await core.settle(*going, *staying)
    for each in staying:
        each.edit()
    turns = [turn for turns in zip(coming, going, staying, strict=True) for turn in turns]
    changes = [core.change(each, delete=each in going) for each in turns]
    results = await core.send(changes)
    for each, change in zip(turns, changes, strict=True):
        result = results[change.change_id]
        if result.WhichOneof("outcome") == "done":
            core.acknowledge(each, change, result)
        else:
            await core.settle(each, delete=each in going)
    await core.expect_listing()
