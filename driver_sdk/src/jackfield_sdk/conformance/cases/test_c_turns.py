"""Group C, part four: what a resource becomes, and what is left of it when the driver is gone at once."""

from __future__ import annotations

from jackfield.driver.v1 import change_pb2, subnet_pb2

from jackfield_sdk.conformance.core import Core
from jackfield_sdk.conformance.model import Resource, copy_of
from jackfield_sdk.conformance.owned import require_true
from jackfield_sdk.conformance.rules import case, each_kind
from jackfield_sdk.conformance.turns import Turns, after, turns_of_network, turns_of_port, turns_of_subnet
from jackfield_sdk.conformance.verdict import Broken, require

_POSTCOMMIT = ("postcommit",)


@case(
    "C21",
    "any-turn",
    "Whatever a resource becomes is made true: unbound, moved, with other segments or addresses, of any name.",
    "MechanismService, Postcommit, and Values",
    needs=_POSTCOMMIT,
    since="1.1",
)
@each_kind
async def test_any_turn(core: Core, kind: str) -> None:
    """Give a resource every turn, one after the other, and take it back to what it was."""
    resource = await core.stand(kind)
    turns = await _turns_of(core, resource)
    await core.settle(resource)
    first = copy_of(resource.spec)
    for what, turn in turns.items():
        resource.become(after(first, turn))
        await _live_through(core, resource, what)
    resource.become(first)
    await _live_through(core, resource, "as it was made")
    await core.expect_listing()


@case(
    "C22",
    "original-lost",
    "What changes or goes without an original, because the core has it no longer, is made true all the same.",
    "Values",
    needs=_POSTCOMMIT,
    since="1.1",
)
@each_kind
async def test_original_lost(core: Core, kind: str) -> None:
    """Send an update and a delete without what was acknowledged before."""
    resource = await core.stand(kind)
    await core.settle(resource)
    resource.edit()
    resource.original_lost = True
    await core.settle(resource)
    await require_true(core, resource)
    await core.expect_listing()
    await core.settle(resource, delete=True)
    await core.expect_listing()


async def _turns_of(core: Core, resource: Resource) -> Turns:
    """Return the turns of a resource, and give it what it needs for them to stand on."""
    match resource.kind:
        case "network":
            return turns_of_network(_another_segment(core, resource))
        case "subnet":
            return turns_of_subnet()
    network = resource.stands_on[0]
    if (segment := _another_segment(core, network)) is not None:
        network.become(after(network.spec, lambda spec: spec.segments.append(segment)))
        await core.settle_if_taken(network)
    second = await core.settle_if_taken(core.subnet_on(network, ip_version=6))
    resource.stands_on += (second,)
    assert isinstance(second.spec, subnet_pb2.Subnet)
    return turns_of_port(network.network, second.spec, [host.name for host in core.params.hosts], core.facts.driver)


def _another_segment(core: Core, network: Resource) -> object:
    """Mint a segment as the core allocates it while it binds; None where a network has room for one only."""
    if core.mint.network_type in ("flat", "local") or not core.mint.free_networks():
        return None
    return core.mint.segment(network.id, core.mint.network_type, dynamic=True)


async def _live_through(core: Core, resource: Resource, what: str) -> None:
    """Judge a turn as the core does, make it true, and look whether it is."""
    try:
        change = core.change(resource)
        if core.facts.judges(change):
            verdict = (await core.precommit([change]))[change.change_id]
            faulty = verdict.failed.disposition == change_pb2.DISPOSITION_BUG
            require(not faulty, f"precommit failed with {verdict.failed.reason}", "a verdict")
        await core.settle(resource)
        await require_true(core, resource)
    except Broken as broken:
        broken.came = f"{what}: {broken.came}"
        raise
