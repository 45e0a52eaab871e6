"""Group A: who the driver says it is, and that it says so in time."""

from __future__ import annotations

import asyncio
import re

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from jackfield.driver.v1 import change_pb2, driver_pb2, event_pb2, reconcile_pb2

from jackfield_sdk.conformance.core import Core
from jackfield_sdk.conformance.limits import require_within, seconds_of
from jackfield_sdk.conformance.refusals import require_refusal
from jackfield_sdk.conformance.residents import listing_after
from jackfield_sdk.conformance.rules import case
from jackfield_sdk.conformance.transcript import Refusal
from jackfield_sdk.conformance.verdict import Broken, require
from jackfield_sdk.conformance.wire import METHODS

_NAME = re.compile(r"[a-z0-9-]{1,63}")

# What an RPC is asked to see whether it is there, by the feature that it belongs to.
_BY_FEATURE = {
    "list_owned": ("ListOwned", reconcile_pb2.ListOwnedRequest()),
    "diff": ("Diff", reconcile_pb2.DiffRequest()),
    "watch": ("Watch", event_pb2.WatchRequest()),
    "attributes": ("GetSchemas", driver_pb2.GetSchemasRequest()),
    "states": ("UpgradeStates", driver_pb2.UpgradeStatesRequest()),
}


@case(
    "A1",
    "highest-major",
    "Of the majors that the core offers, the driver answers the highest that both speak.",
    "Versions",
)
async def test_highest_major(core: Core) -> None:
    """Offer version 1 among versions that nobody speaks."""
    for majors in ([1], [1, 98, 99], [99, 1]):
        answer = await core.wire.call("Handshake", core.greeting(contract_majors=majors))
        require(answer.contract_major == 1, f"contract_major {answer.contract_major} for {majors}", "1")


@case("A2", "no-common-major", "Without a common major the driver answers contract_major 0, and no error.", "Handshake")
async def test_no_common_major(core: Core) -> None:
    """Offer only versions that nobody speaks."""
    answer = await core.wire.call("Handshake", core.greeting(contract_majors=[98, 99]))
    require(answer.contract_major == 0, f"contract_major {answer.contract_major} for [98, 99]", "0")


@case(
    "A3",
    "same-introduction",
    "One process introduces itself in the same way to everybody, and names itself and its backends properly.",
    "Handshake",
)
async def test_same_introduction(core: Core) -> None:
    """Handshake twice on one connection and once on a new one."""
    first = core.facts.message
    require(_NAME.fullmatch(first.driver_name), f"driver_name {first.driver_name!r}", "lower case, digits, hyphens")
    ids = [backend.id for backend in first.backends]
    require(len(set(ids)) == len(ids), f"backends {ids}", "no backend named twice")
    nameless = [backend.id for backend in first.backends if not backend.epoch]
    require(not nameless, f"backends {nameless} without an epoch", "an epoch for each backend")
    for answer in [await core.wire.call("Handshake", core.greeting()), await _on_a_new_connection(core)]:
        said = _lasting(first), _lasting(answer)
        require(said[0] == said[1], f"first {said[0]}, then {said[1]}", "the same answer")


@case(
    "A4",
    "instance-id",
    "The instance_id is 1 to 255 bytes, the same as long as the process lives, and new for every process.",
    "Handshake",
)
async def test_instance_id(core: Core) -> None:
    """Compare the instance ids of handshakes on old and new connections."""
    first = core.facts.message.instance_id
    require(1 <= len(first.encode()) <= 255, f"an instance_id of {len(first.encode())} bytes", "1 to 255 bytes")
    for answer in [await core.wire.call("Handshake", core.greeting()), await _on_a_new_connection(core)]:
        require(answer.instance_id == first, f"first {first}, then {answer.instance_id}", "the same id")


@case(
    "A5",
    "advertised-rpcs",
    "An RPC whose feature is named is served; ListOwned, Diff and Watch are UNIMPLEMENTED if theirs is not.",
    "Versions and ReconcileService",
)
async def test_advertised_rpcs(core: Core) -> None:
    """Call the RPC of every feature, and see whether it is there."""
    # One that could not load refuses everything, whatever it names.
    loaded = not core.facts.message.HasField("load_error")
    for feature, (method, request) in _BY_FEATURE.items():
        there = await _is_there(core, method, request)
        if core.facts.names(feature):
            require(there, f"{method} is UNIMPLEMENTED, and feature {feature!r} is named", "an RPC that is there")
        elif loaded and feature in ("list_owned", "diff", "watch"):
            require(not there, f"{method} is served, and feature {feature!r} is not named", "UNIMPLEMENTED")


@case(
    "A6",
    "unknown-features",
    "Features that the driver does not know are ignored, and it names none that only the core knows.",
    "Duties of a driver 10",
)
async def test_unknown_features(core: Core) -> None:
    """Name features of the future."""
    told = [*core.greeting().features, "teleport", "x" * 200]
    answer = await core.wire.call("Handshake", core.greeting(features=told))
    same = answer.load_error == core.facts.message.load_error
    require(same, f"load_error {answer.load_error}", "the same answer as without them")
    require("teleport" not in answer.features, f"features {list(answer.features)}", "no echo of what is unknown")
    await core.introduce()


@case(
    "A7",
    "load-error",
    "A driver that could not load says so in the handshake, and refuses every other call with LOAD_ERROR.",
    "Handshake and Errors",
    needs=("load_error",),
)
async def test_load_error(core: Core) -> None:
    """Call a driver that told a load_error."""
    refusal = await core.wire.refused("GetSchemas", driver_pb2.GetSchemasRequest())
    require_refusal(refusal, grpc.StatusCode.FAILED_PRECONDITION, "LOAD_ERROR", core)


@case("A8", "check", "Check answers SERVING within 1 s while the process works.", "Check and Limits of time")
async def test_check(core: Core) -> None:
    """Ask for the health on old and new connections."""
    answer = await core.wire.call("Check", health_pb2.HealthCheckRequest())
    word = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    wanted = "NOT_SERVING" if core.facts.message.HasField("load_error") else "SERVING"
    require(word == wanted, word, wanted)

    async def on_a_new_connection() -> None:
        async with core.dial() as fresh:
            await fresh.call("Check", health_pb2.HealthCheckRequest())

    await require_within(1.0, lambda: seconds_of(core.wire.call("Check", health_pb2.HealthCheckRequest())), "Check")
    await require_within(1.0, lambda: seconds_of(on_a_new_connection()), "Check on a new connection")


@case("A9", "handshake-in-time", "Handshake is answered within 2 s, also on a new connection.", "Duties of a driver 1")
async def test_handshake_in_time(core: Core) -> None:
    """Time handshakes, one alone and eight at the same time."""

    async def eight() -> float:
        return max(await asyncio.gather(*[seconds_of(core.wire.call("Handshake", core.greeting())) for _ in range(8)]))

    await require_within(2.0, lambda: seconds_of(_on_a_new_connection(core)), "Handshake on a new connection")
    await require_within(2.0, eight, "one of eight handshakes at the same time")


@case(
    "A14",
    "declarations",
    "What the driver declares makes sense: kinds, actions and phases that there are, and limits that can be kept.",
    "Handshake and Values",
)
async def test_declarations(core: Core) -> None:
    """Read the handshake as the core does."""
    message = core.facts.message
    for interest in message.interests:
        for numbers, enum in (
            ([interest.kind], change_pb2.ResourceKind),
            (interest.actions, change_pb2.Action),
            (interest.phases, change_pb2.Phase),
        ):
            require(list(numbers), f"an interest without {enum.DESCRIPTOR.name}", "kind, actions and phases")
            unknown = [number for number in numbers if number == 0 or number not in enum.values()]
            require(not unknown, f"{enum.DESCRIPTOR.name} {unknown} in an interest", "what the contract has")
    versions = message.state_version
    written = f"state_version {versions.min_readable} to {versions.writes}"
    require(versions.min_readable <= versions.writes, written, "a driver reads what it writes")
    twice = len(set(message.features)) != len(message.features)
    require(not twice, f"features {list(message.features)}", "each feature once")


test_listing = listing_after("A")


async def _on_a_new_connection(core: Core) -> driver_pb2.HandshakeResponse:
    async with core.dial() as fresh:
        answer = await fresh.call("Handshake", core.greeting())
    if not isinstance(answer, driver_pb2.HandshakeResponse):
        raise Broken("Handshake answered something else", "a HandshakeResponse")
    return answer


async def _is_there(core: Core, method: str, request: Message) -> bool:
    streamed = METHODS[method][1] in (reconcile_pb2.ListOwnedResponse, reconcile_pb2.DiffResponse)
    # A watch that works has no end.
    call = core.wire.first_of if method == "Watch" else core.wire.listed_or_refused if streamed else core.wire.attempt
    answer = await call(method, request)
    return not (isinstance(answer, Refusal) and answer.code is grpc.StatusCode.UNIMPLEMENTED)


def _lasting(message: driver_pb2.HandshakeResponse) -> str:
    """Return what is alike in every handshake; the instance_id has a rule of its own."""
    copy = driver_pb2.HandshakeResponse()
    copy.CopyFrom(message)
    copy.ClearField("instance_id")
    for backend in copy.backends:
        backend.ClearField("health")
        backend.ClearField("message")
    return str(copy).replace("\n", " ")
