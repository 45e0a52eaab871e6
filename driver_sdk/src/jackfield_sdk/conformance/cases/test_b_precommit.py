"""Group B: precommit judges, within its budget, and nothing else happens."""

from __future__ import annotations

import asyncio
import re

from jackfield.driver.v1 import change_pb2, mechanism_pb2, network_pb2

from jackfield_sdk.conformance.core import Core, not_judged_without
from jackfield_sdk.conformance.limits import most_of, require_within, seconds_of
from jackfield_sdk.conformance.owned import require_nothing_happened, snapshot
from jackfield_sdk.conformance.refusals import require_too_large
from jackfield_sdk.conformance.residents import listing_after
from jackfield_sdk.conformance.rules import case, each_kind
from jackfield_sdk.conformance.transcript import Refusal
from jackfield_sdk.conformance.verdict import require

_REASON = re.compile(r"[A-Z0-9_]{1,63}")
_BUDGET = 0.25
# What the API calls attributes that are fields of other messages on the wire.
_API_NAMES = {"router:external", "binding:host_id", "binding:vnic_type", "binding:profile", "tenant_id", "segments"}


@case(
    "B1",
    "precommit-no-side-effect",
    "Precommit changes nothing, on the device or in the driver, however often it is called and abandoned.",
    "Duties of a driver 5",
    needs=("precommit",),
)
@each_kind
async def test_no_side_effect(core: Core, kind: str) -> None:
    """Judge what the driver wants to judge of creates, updates and deletes, 25 times, and let no Postcommit follow."""
    not_judged_without(
        core.facts.names("list_owned") or core.facts.names("diff"), "nobody can see: features 'list_owned' and 'diff'"
    )
    held = await core.settle_if_taken(await core.stand(kind))
    unborn = core.sibling(held)
    before = await snapshot(core, [held, unborn])
    for _ in range(25):
        held.edit()
        for changes in (
            [core.change(unborn), core.change(held)],
            [core.change(held, delete=True)],
            [core.change(unborn, delete=True)],
        ):
            if wanted := [change for change in changes if core.facts.judges(change)]:
                await core.precommit(wanted)
    held.highest_sent = held.acknowledged_revision
    await require_nothing_happened(core, before)


@case(
    "B2",
    "same-verdict",
    "The same change gets the same verdict as long as nothing else changes.",
    "Duties of a driver 5",
    needs=("precommit",),
)
@each_kind
async def test_same_verdict(core: Core, kind: str) -> None:
    """Ask five times."""
    not_judged_without(kind in core.facts.kinds("precommit"), f"no interest in precommit of a create of {kind}")
    change = core.change(await core.stand(kind))
    verdicts = {str((await core.precommit([change]))[change.change_id]) for _ in range(5)}
    require(len(verdicts) == 1, " and ".join(sorted(verdicts)), "one verdict")


@case(
    "B3",
    "within-budget",
    "A verdict comes within the budget of 250 ms, also while the core makes as many calls as the handshake allows.",
    "MechanismService, Precommit, and Limits of time",
    needs=("precommit",),
)
async def test_within_budget(core: Core) -> None:
    """Time 200 calls; one in ten may be late, because this host has other work as well."""
    change = core.change(await core.stand(core.facts.kinds("precommit")[-1]))
    lanes = min(core.facts.max_in_flight, 32)

    async def ask(times: int) -> list[float]:
        return [await seconds_of(core.precommit([change], budget=_BUDGET)) for _ in range(times)]

    async def on_all_lanes() -> float:
        by_lane = await asyncio.gather(*[ask(200 // lanes) for _ in range(lanes)])
        return most_of([each for lane in by_lane for each in lane])

    await require_within(_BUDGET, on_all_lanes, "one call in ten")


@case(
    "B4",
    "rejection",
    "A rejection has a stable reason, a sentence for the user, and as field an attribute that there is, or none.",
    "MechanismService, Precommit",
    needs=("precommit",),
)
async def test_rejection(core: Core) -> None:
    """Ask for what --params says the driver rejects."""
    rejected = core.params.rejected
    not_judged_without(rejected, "needs [rejected] in --params, something that the driver rejects")
    assert rejected is not None
    network = await core.stand("network")
    if rejected.network_name is not None:
        network.spec.name = rejected.network_name
    if rejected.vlan is not None:
        network.network.segments[0].network_type = "vlan"
        network.network.segments[0].segmentation_id = rejected.vlan
    change = core.change(network)
    result = (await core.precommit([change]))[change.change_id]
    require(result.WhichOneof("verdict") == "reject", f"{result.WhichOneof('verdict')}", "reject, as --params says")
    reject = result.reject
    require(_REASON.fullmatch(reject.reason), f"reason {reject.reason!r}", "1 to 63 of A-Z, 0-9 and _")
    require(reject.message.strip(), "a rejection without a message", "a sentence for the user")
    known = set(network_pb2.Network.DESCRIPTOR.fields_by_name) | _API_NAMES
    require(not reject.field or reject.field in known or ":" in reject.field, f"field {reject.field!r}", "an attribute")


@case(
    "B5",
    "independent-verdicts",
    "Each change of a transaction gets its own verdict, in a batch as alone.",
    "Duties of a driver 6",
    needs=("precommit",),
)
async def test_independent_verdicts(core: Core) -> None:
    """Compare the verdicts of a batch with those of single calls."""
    kind = core.facts.kinds("precommit")[-1]
    first = await core.stand(kind)
    changes = [core.change(each) for each in [first, *[core.sibling(first) for _ in range(4)]]]
    together = await core.precommit(changes[: core.facts.batch])
    for change in changes[: core.facts.batch]:
        alone = (await core.precommit([change]))[change.change_id]
        said = together[change.change_id].WhichOneof("verdict"), alone.WhichOneof("verdict")
        require(said[0] == said[1], f"{said[0]} in a batch, {said[1]} alone", "the same verdict")


@case(
    "B6",
    "own-attributes",
    "Attributes of an answer have bare names and JSON values; a core that did not name the feature gets none.",
    "Values",
)
async def test_own_attributes(core: Core) -> None:
    """Introduce a core without features, and look at what comes then."""
    kinds = core.facts.kinds("postcommit") or core.facts.kinds("precommit")
    not_judged_without(kinds, "no interest in precommit or postcommit")
    await core.wire.call("Handshake", core.greeting(features=[]))
    try:
        change = core.change(await core.stand(kinds[-1]))
        if kinds[-1] in core.facts.kinds("precommit"):
            verdict = (await core.precommit([change]))[change.change_id]
            require(not verdict.accept.attributes, "attributes in an Accept", "none, the core did not name the feature")
        if core.takes(kinds[-1]):
            result = (await core.send([change]))[change.change_id]
            require(not result.done.attributes, "attributes in a Done", "none, the core did not name the feature")
    finally:
        await core.introduce()


@case(
    "B7",
    "abandoned-precommit",
    "A Precommit that the core gave up on does no harm, and the next one is answered.",
    "Duties of a driver 5",
    needs=("precommit",),
)
async def test_abandoned_precommit(core: Core) -> None:
    """Give up on calls after ever longer times, then wait for one."""
    change = core.change(await core.stand(core.facts.kinds("precommit")[-1]))
    before = await snapshot(core)
    request = mechanism_pb2.PrecommitRequest(changes=[change])
    for number in range(20):
        await core.wire.attempt("Precommit", request, 0.0002 * (number + 1))
    await core.precommit([change])
    await require_nothing_happened(core, before)


@case(
    "B8",
    "precommit-too-large",
    "More changes than max_batch are refused with INVALID_ARGUMENT, BATCH_TOO_LARGE, and none is looked at.",
    "Errors",
    needs=("precommit",),
)
async def test_too_large(core: Core) -> None:
    """Send one change more than the handshake allows."""
    change = core.change(await core.stand(core.facts.kinds("precommit")[0]))
    changes = [_renamed(change, number) for number in range(core.facts.max_batch + 1)]
    refusal = await core.wire.refused("Precommit", mechanism_pb2.PrecommitRequest(changes=changes))
    require_too_large(refusal, core)


@case(
    "B9",
    "unknown-kinds",
    "A kind or an action that the driver does not know is neither judged, nor taken for another, nor called done.",
    "Duties of a driver 10",
)
async def test_unknown_kinds(core: Core) -> None:
    """Send kind 99, and action 99."""
    kinds = core.facts.kinds("postcommit") or core.facts.kinds("precommit")
    not_judged_without(kinds, "no interest in precommit or postcommit")
    known = core.change(await core.stand(kinds[-1]))
    for field in ("kind", "action"):
        change = change_pb2.Change()
        change.CopyFrom(known)
        setattr(change, field, 99)
        if core.facts.kinds("precommit"):
            verdict = await _only_result(core, "Precommit", change)
            require(verdict != "reject", f"{field} 99 was rejected in precommit", "no verdict on what is unknown")
        if core.facts.kinds("postcommit"):
            outcome = await _only_result(core, "Postcommit", change)
            require(outcome != "done", f"{field} 99 is done", "failed, or the call refused")


test_listing = listing_after("B")


async def _only_result(core: Core, method: str, change: change_pb2.Change) -> str:
    """Return which outcome a single change gets; "refused" if the call is."""
    request = mechanism_pb2.PrecommitRequest(changes=[change]) if method == "Precommit" else core.request([change])
    answer = await core.wire.attempt(method, request)
    if isinstance(answer, Refusal):
        return "refused"
    require(len(answer.results) == 1, f"{len(answer.results)} results for one change", "one", rule="C10")
    return str(answer.results[0].WhichOneof("verdict" if method == "Precommit" else "outcome"))


def _renamed(change: change_pb2.Change, number: int) -> change_pb2.Change:
    copy = change_pb2.Change()
    copy.CopyFrom(change)
    copy.change_id = f"{change.change_id}-{number}"
    return copy
