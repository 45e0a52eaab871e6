"""Group D, part two: ports of several networks in one call."""

from __future__ import annotations

from jackfield_sdk.conformance.binding import a_request, bind
from jackfield_sdk.conformance.core import Core, not_judged_without
from jackfield_sdk.conformance.rules import case
from jackfield_sdk.conformance.verdict import require

_PORTS = 4


@case(
    "D11",
    "bind-independently",
    "What is chosen for a port does not depend on the others of its call, nor on its place among them.",
    "MechanismService, BindPorts",
    needs=("bind",),
    since="1.2",
)
async def test_bind_independently(core: Core) -> None:
    """Bind ports of different networks alone, together, and together in the other order."""
    not_judged_without(core.facts.batch > 1, "max_batch is 1")
    wanted = [await a_request(core) for _ in range(min(_PORTS, core.facts.batch))]
    alone = {each.request_id: (await bind(core, [each]))[each.request_id] for each in wanted}
    for order in (wanted, wanted[::-1]):
        for id, answer in (await bind(core, order)).items():
            require(answer == alone[id], f"{answer} among others, alone {alone[id]}", "the same answer")
