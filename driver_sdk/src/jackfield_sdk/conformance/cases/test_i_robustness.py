"""Group I: what no core sends, and more of it than any core does. The driver stays alive and in its words."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from functools import partial

from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from jackfield.driver.v1 import driver_pb2, mechanism_pb2

from jackfield_sdk.conformance.binding import a_request, bind
from jackfield_sdk.conformance.core import Core, not_judged_without
from jackfield_sdk.conformance.limits import most_of, require_within, seconds_of
from jackfield_sdk.conformance.model import Resource
from jackfield_sdk.conformance.residents import listing_after
from jackfield_sdk.conformance.rules import case
from jackfield_sdk.conformance.transcript import Refusal
from jackfield_sdk.conformance.verdict import require

_MIB = 1024 * 1024
_UNARY = ("Handshake", "GetSchemas", "UpgradeStates", "Precommit", "Postcommit", "BindPorts")
# A field that the contract will not have: number 50000, of bytes.
_UNKNOWN_TAG = b"\x82\xb5\x18"


@case(
    "I1",
    "nonsense",
    "Bytes that are no message are refused, and do no harm.",
    "Errors",
)
async def test_nonsense(core: Core) -> None:
    """Send random bytes, and messages that were cut, to every RPC."""
    chance = random.Random(core.options.seed)
    whole = await _a_full_request(core)
    for method in _UNARY:
        for size in (1, 7, 100, 5_000):
            data = b"\xff" + chance.randbytes(size)
            answer = await core.wire.attempt(method, data)
            require(isinstance(answer, Refusal), f"{method} answered {size + 1} random bytes", "a status")
        for _ in range(5):
            await core.wire.attempt(method, whole[: chance.randrange(1, len(whole))])
    await _require_alive(core)


@case(
    "I2",
    "unknown-fields",
    "Fields that the driver does not know are ignored.",
    "Duties of a driver 10",
)
async def test_unknown_fields(core: Core) -> None:
    """Add fields of the future to a handshake, a change and a request to bind."""
    future = _unknown(b"of the future")
    answer = await core.wire.call("Handshake", core.greeting().SerializeToString() + future)
    require(answer.instance_id == core.facts.message.instance_id, "another answer", "the same answer")
    for kind in core.facts.kinds("postcommit")[-1:]:
        change = core.change(await core.stand(kind))
        change.MergeFromString(future)
        change.current.MergeFromString(future)
        await core.final(change)
    if core.facts.message.HasField("bind"):
        wanted = await a_request(core)
        plain = str((await bind(core, [wanted]))[wanted.request_id])
        wanted.MergeFromString(future)
        wanted.port.MergeFromString(future)
        strange = str((await bind(core, [wanted]))[wanted.request_id])
        require(plain == strange, f"{strange}, without the fields {plain}", "the same answer")


@case(
    "I3",
    "missing-fields",
    "A change without what it needs gets a failed result, or a refusal of the call, and is not called done.",
    "Duties of a driver 6 and 10",
)
async def test_missing_fields(core: Core) -> None:
    """Leave out the resource, then kind, action, surroundings and ids."""
    kinds = core.facts.kinds("postcommit")
    not_judged_without(kinds, "no interest in postcommit")
    change = core.change(await core.stand(kinds[-1]))
    for field in ("kind", "action", "current", "related", "id"):
        partial = type(change)()
        partial.CopyFrom(change)
        partial.ClearField(field)
        answer = await core.wire.attempt("Postcommit", core.request([partial]))
        outcome = "refused" if isinstance(answer, Refusal) else answer.results[0].WhichOneof("outcome")
        if field in ("kind", "action", "current"):
            require(outcome != "done", f"a change without {field} is done", "failed, or the call refused")
    await core.wire.attempt("BindPorts", mechanism_pb2.BindPortsRequest(requests=[mechanism_pb2.BindRequest()]))
    await _require_alive(core)


@case(
    "I4",
    "message-size",
    "A message of almost 16 MiB is taken; a larger one is refused and does no harm.",
    "Values",
)
async def test_message_size(core: Core) -> None:
    """Fill a handshake up with a field that the driver ignores."""
    greeting = core.greeting().SerializeToString()
    answer = await core.wire.attempt("Handshake", greeting + _unknown(bytes(15 * _MIB)))
    require(not isinstance(answer, Refusal), f"15 MiB: {answer}", "an answer")
    async with core.dial(max_message_bytes=64 * _MIB) as wire:
        await wire.attempt("Handshake", greeting + _unknown(bytes(20 * _MIB)))
    await _require_alive(core)


@case(
    "I7",
    "connections",
    "Connections may come and go: 200 of them, some without a word, leave the driver as it was.",
    "Duties of the core 2",
)
async def test_connections(core: Core) -> None:
    """Dial, shake hands and hang up, ten at a time."""

    async def visit() -> None:
        async with core.dial() as wire:
            await wire.call("Handshake", core.greeting())

    for _ in range(20):
        await asyncio.gather(*[visit() for _ in range(10)])
    await _require_alive(core)


@case(
    "I8",
    "health-under-load",
    "Check is answered within 1 s, and Handshake within 2 s, while the driver has as much to do as it allows.",
    "Duties of a driver 1",
    needs=("postcommit",),
)
async def test_health_under_load(core: Core) -> None:
    """Send full batches on all lanes, and ask for the health meanwhile."""
    first = await core.stand(core.facts.kinds("postcommit")[-1])
    number = core.facts.batch if first.kind != "network" else min(core.facts.batch, core.mint.free_networks())
    resources = [first, *[core.sibling(first) for _ in range(min(number, 200) - 1)]]
    spent: dict[str, list[float]] = {"Check": [], "Handshake": []}

    async def under_load(method: str) -> float:
        if not spent[method]:
            await _ask_while(asyncio.create_task(_work(core, resources)), core, spent)
        told = most_of(spent[method])
        spent[method].clear()
        return told

    for method, limit in (("Check", 1.0), ("Handshake", 2.0)):
        await require_within(limit, partial(under_load, method), method)


test_listing = listing_after("I")


async def _work(core: Core, resources: Sequence[Resource]) -> None:
    """Keep every lane busy with full batches, none of which holds a resource of another."""
    lanes = core.facts.max_in_flight
    shares = [resources[lane::lanes] for lane in range(lanes) if resources[lane::lanes]]
    for _ in range(3):
        await asyncio.gather(*[core.settle(*share) for share in shares])
        for each in resources:
            each.edit()


async def _ask_while(working: asyncio.Task[None], core: Core, spent: dict[str, list[float]]) -> None:
    """Ask whether the driver is well until the work is done, and note how long each answer took."""
    try:
        while not working.done():
            for method, request in (("Check", health_pb2.HealthCheckRequest()), ("Handshake", core.greeting())):
                spent[method].append(await seconds_of(core.wire.call(method, request)))
            await asyncio.sleep(0.01)
    finally:
        await working


async def _a_full_request(core: Core) -> bytes:
    change = core.change(await core.stand("port"))
    request: Message = core.request([change])
    return request.SerializeToString()


def _unknown(data: bytes) -> bytes:
    """Write a field that the contract does not have."""
    size, length = len(data), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return _UNKNOWN_TAG + bytes(length) + data


async def _require_alive(core: Core) -> None:
    answer = await core.wire.attempt("Handshake", core.greeting())
    alive = isinstance(answer, driver_pb2.HandshakeResponse)
    require(alive, f"no handshake afterwards: {answer}", "a driver that goes on")
    same = answer.instance_id == core.facts.message.instance_id
    require(same, "another process answers: the driver died", "a driver that goes on")
