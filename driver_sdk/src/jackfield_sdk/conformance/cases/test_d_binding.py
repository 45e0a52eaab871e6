"""Group D: binding chooses among what is offered, and nothing else happens."""

from __future__ import annotations

import asyncio

from jackfield.driver.v1 import binding_pb2, mechanism_pb2

from jackfield_sdk.conformance.binding import a_request, bind, request_for
from jackfield_sdk.conformance.core import Core, not_judged_without
from jackfield_sdk.conformance.limits import require_within, seconds_of
from jackfield_sdk.conformance.owned import require_nothing_happened, snapshot
from jackfield_sdk.conformance.params import HostParams
from jackfield_sdk.conformance.refusals import require_too_large
from jackfield_sdk.conformance.residents import listing_after
from jackfield_sdk.conformance.rules import case
from jackfield_sdk.conformance.verdict import require

_BIND = ("bind",)
_OTHER_TYPES = ("vlan", "vxlan", "geneve", "gre", "flat", "local")


@case(
    "D1",
    "bind-no-side-effect",
    "BindPorts changes nothing, on the device or in the driver, and gives the same answer to the same request.",
    "Duties of a driver 5",
    needs=_BIND,
)
async def test_no_side_effect(core: Core) -> None:
    """Ask 50 times for a port that is never made."""
    wanted = await a_request(core)
    before = await snapshot(core)
    answers = {str((await bind(core, [wanted]))[wanted.request_id]) for _ in range(50)}
    require(len(answers) == 1, " and ".join(sorted(answers)), "one answer")
    await require_nothing_happened(core, before)


@case(
    "D2",
    "declared-types",
    "A driver binds only segments of the network types that it declares, whatever else is offered beside them.",
    "MechanismService, BindPorts",
    needs=_BIND,
)
async def test_declared_types(core: Core) -> None:
    """Offer a segment of another type first."""
    declared = core.facts.message.bind.network_types
    not_judged_without(declared, "the driver declares any network type")
    other = next((each for each in _OTHER_TYPES if each not in declared), "segment-type-of-tomorrow")
    wanted = await a_request(core)
    wrong = core.mint.segment(wanted.network.id, other)
    wanted.segments.insert(0, wrong)
    answer = (await bind(core, [wanted]))[wanted.request_id]
    chosen = answer.bound.segment_id or answer.next.segment_id
    require(chosen != wrong.id, f"bound the {other} segment, and declared {sorted(declared)}", "a declared type")


@case(
    "D3",
    "offered-segment",
    "The segment of an answer is one of those that were offered.",
    "Errors, and MechanismService, BindPorts",
    needs=_BIND,
)
async def test_offered_segment(core: Core) -> None:
    """Offer a segment, then others of the same network that replace it, then none."""
    first = await a_request(core)
    await bind(core, [first])
    others = [core.mint.segment(first.network.id, core.mint.network_type) for _ in range(2)]
    first.network.segments.extend(others)
    for offered in (others, others[:1], []):
        wanted = request_for(first.port, first.network, offered)
        answer = (await bind(core, [wanted]))[wanted.request_id]
        if not offered:
            which = answer.WhichOneof("outcome")
            require(which in ("skip", "veto"), f"{which} without a segment to choose", "skip")


@case(
    "D4",
    "one-answer-each",
    "Every request gets exactly one answer, the same in a batch as alone.",
    "Duties of a driver 6",
    needs=_BIND,
)
async def test_one_answer_each(core: Core) -> None:
    """Bind 100 ports of a host in one call, and some of them alone."""
    first = await a_request(core)
    number = min(100, core.facts.batch)
    wanted = [request_for(first.port, first.network, first.segments) for _ in range(number)]
    together = await bind(core, wanted)
    for each in wanted[:3]:
        alone = (await bind(core, [each]))[each.request_id]
        said = together[each.request_id].WhichOneof("outcome"), alone.WhichOneof("outcome")
        require(said[0] == said[1], f"{said[0]} in a batch, {said[1]} alone", "the same answer")


@case(
    "D5",
    "bound",
    "Bound has a VIF type, and details that are a JSON object; the driver binds on the host that --params names.",
    "Errors",
    needs=_BIND,
)
async def test_bound(core: Core) -> None:
    """Bind a port with everything that the driver can ask for."""
    wanted = await a_request(core)
    answer = (await bind(core, [wanted]))[wanted.request_id]
    which = answer.WhichOneof("outcome")
    why = answer.skip.reason or answer.veto.reason
    require(which in ("bound", "next"), f"{which}: {why}", "bound or next; --params tells which hosts it binds on")


@case(
    "D6",
    "next-level",
    "A driver that carries a port to the next level names the type of the segment that it wants there.",
    "MechanismService, BindPorts",
    needs=_BIND,
)
async def test_next_level(core: Core) -> None:
    """Bind a level, and if another is wanted, offer what was asked for."""
    wanted = await a_request(core)
    answer = (await bind(core, [wanted]))[wanted.request_id]
    not_judged_without(answer.WhichOneof("outcome") == "next", "the driver binds in one level")
    asked = answer.next.wanted
    segment = core.mint.segment(wanted.network.id, asked.network_type, dynamic=True)
    if asked.physical_network:
        segment.physical_network = asked.physical_network
    level = binding_pb2.BindingLevel(level=0, driver=core.facts.driver, segment_id=answer.next.segment_id)
    await bind(core, [request_for(wanted.port, wanted.network, [segment], bound=[level])])


@case(
    "D7",
    "bind-at-once",
    "Requests that are made at the same time do not disturb each other.",
    "MechanismService, BindPorts",
    needs=_BIND,
)
async def test_at_once(core: Core) -> None:
    """Ask for one port twice at the same time, and for others."""
    wanted = await a_request(core)
    answers = await asyncio.gather(*[bind(core, [wanted]) for _ in range(8)])
    said = {str(answer[wanted.request_id]) for answer in answers}
    require(len(said) == 1, " and ".join(sorted(said)), "one answer")


@case(
    "D8",
    "bind-too-large",
    "More requests than max_batch are refused with INVALID_ARGUMENT, BATCH_TOO_LARGE.",
    "Errors",
    needs=_BIND,
)
async def test_too_large(core: Core) -> None:
    """Ask for one port more than the handshake allows."""
    first = await a_request(core)
    wanted = [request_for(first.port, first.network, first.segments) for _ in range(core.facts.max_batch + 1)]
    message = mechanism_pb2.BindPortsRequest(host=core.mint.host(), requests=wanted)
    require_too_large(await core.wire.refused("BindPorts", message), core)


@case(
    "D9",
    "bind-in-time",
    "A binding is answered within 1 s.",
    "Limits of time",
    needs=_BIND,
)
async def test_in_time(core: Core) -> None:
    """Time a single port and a batch of 50."""
    first = await a_request(core)
    batch = [request_for(first.port, first.network, first.segments) for _ in range(min(50, core.facts.batch))]
    await require_within(1.0, lambda: seconds_of(bind(core, [first])), "a port")
    await require_within(1.0, lambda: seconds_of(bind(core, batch)), f"a batch of {len(batch)} ports")


@case(
    "D10",
    "foreign-host",
    "A host on which the driver has nothing to plug with is skipped.",
    "MechanismService, BindPorts",
    needs=_BIND,
)
async def test_foreign_host(core: Core) -> None:
    """Ask for a host without an agent, and for one whose agent is dead."""
    not_judged_without(core.params.agent_required, "needs agent_required = true in --params")
    bare = core.mint.host(HostParams(name="foreign-host", agent=False, physical_networks=[], tunnel_ip=None))
    dead = core.mint.host()
    dead.agents[0].alive = False
    for host in (bare, dead):
        wanted = await a_request(core)
        answer = (await bind(core, [wanted], host))[wanted.request_id]
        which = answer.WhichOneof("outcome")
        require(which == "skip", f"{which} on a host without a living agent", "skip")
        require(answer.skip.reason, "skip without a reason", "a reason for the operator")


test_listing = listing_after("D")
