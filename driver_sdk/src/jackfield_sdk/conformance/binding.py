"""Asking for bindings, as the core does, and reading the answers as strictly."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from typing import Any

from jackfield.driver.v1 import binding_pb2, mechanism_pb2, network_pb2, port_pb2, segment_pb2

from jackfield_sdk.conformance.core import Core
from jackfield_sdk.conformance.results import one_for_each
from jackfield_sdk.conformance.verdict import require

_serial = count(1)


async def a_request(core: Core) -> mechanism_pb2.BindRequest:
    """Make a port that nobody has bound, and ask for its first level."""
    port = await core.stand("port")
    spec = port_pb2.Port()
    spec.CopyFrom(port.spec)  # type: ignore[arg-type]
    del spec.binding.levels[:]
    spec.binding.vif_type = "unbound"
    return request_for(spec, port.network, port.network.segments)


def request_for(
    port: port_pb2.Port,
    network: network_pb2.Network,
    segments: Sequence[segment_pb2.Segment],
    *,
    bound: Sequence[binding_pb2.BindingLevel] = (),
) -> mechanism_pb2.BindRequest:
    """Ask for the binding of a port to one of the segments, after the levels that are bound."""
    return mechanism_pb2.BindRequest(
        request_id=f"bind-{next(_serial)}",
        port=port,
        network=network,
        segments=segments,
        level=len(bound),
        bound_levels=bound,
    )


async def bind(
    core: Core, requests: Sequence[mechanism_pb2.BindRequest], host: binding_pb2.Host | None = None
) -> dict[str, mechanism_pb2.BindResult]:
    """Make one BindPorts and return its answers by request id, each of them looked at."""
    message = mechanism_pb2.BindPortsRequest(host=host or core.mint.host(), requests=requests)
    response = await core.wire.call("BindPorts", message)
    ids = [each.request_id for each in requests]
    answers = one_for_each(ids, [each.request_id for each in response.results], response.results, "D4")
    for request in requests:
        _look_at(answers[request.request_id], request)
    return answers


def _look_at(answer: mechanism_pb2.BindResult, request: mechanism_pb2.BindRequest) -> None:
    which = answer.WhichOneof("outcome")
    require(
        which is not None, f"the answer to {answer.request_id} has no outcome", "bound, next, skip or veto", rule="D4"
    )
    if which in ("bound", "next"):
        chosen, offered = getattr(answer, which).segment_id, [segment.id for segment in request.segments]
        require(chosen in offered, f"{which} with segment {chosen!r}", f"one of those offered: {offered}", rule="D3")
    if which == "bound":
        require(answer.bound.vif_type, "bound without a VIF type", "a VIF type", rule="D5")
        details = answer.bound.vif_details
        require(_is_object(details), f"vif_details {details[:80]!r}", "a JSON object", rule="D5")
    if which == "next":
        require(answer.next.wanted.network_type, "next without a type of segment", "a network type", rule="D6")


def _is_object(data: bytes) -> bool:
    try:
        value: Any = json.loads(data)
    except ValueError:
        return False
    return isinstance(value, dict)
