"""Answers of drivers that judge changes, make them true and bind ports, as they travel."""

from typing import Any

from jackfield.driver.v1 import mechanism_pb2


def result(change_id: str, **verdict: Any) -> mechanism_pb2.PrecommitResult:
    """Return the verdict on one change; acceptance if nothing is said."""
    return mechanism_pb2.PrecommitResult(change_id=change_id, **(verdict or {"accept": mechanism_pb2.Accept()}))


def response(*results: mechanism_pb2.PrecommitResult) -> mechanism_pb2.PrecommitResponse:
    """Return the answer to a call that asks for verdicts."""
    return mechanism_pb2.PrecommitResponse(results=results)


def accepting(request: mechanism_pb2.PrecommitRequest) -> mechanism_pb2.PrecommitResponse:
    """Return the answer that accepts every change."""
    return response(*(result(change.change_id) for change in request.changes))


def doing(request: mechanism_pb2.PostcommitRequest) -> mechanism_pb2.PostcommitResponse:
    """Return the answer that every change is done, at the revision that was sent."""
    return mechanism_pb2.PostcommitResponse(
        results=[
            mechanism_pb2.PostcommitResult(
                change_id=change.change_id, done=mechanism_pb2.Done(revision=change.revision)
            )
            for change in request.changes
        ]
    )


def binding(request: mechanism_pb2.BindPortsRequest, vif_type: str, **more: Any) -> mechanism_pb2.BindPortsResponse:
    """Return the answer that binds every port to the first segment on offer."""
    return mechanism_pb2.BindPortsResponse(
        results=[
            mechanism_pb2.BindResult(
                request_id=one.request_id,
                bound=mechanism_pb2.Bound(segment_id=one.segments[0].id, vif_type=vif_type, **more),
            )
            for one in request.requests
        ]
    )
