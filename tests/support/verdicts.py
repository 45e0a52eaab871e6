"""Answers of drivers that judge changes, as they travel."""

from typing import Any

from jackfield.driver.v1 import mechanism_pb2


def result(change_id: str, **verdict: Any) -> mechanism_pb2.PrecommitResult:
    """Return the verdict on one change; acceptance if nothing is said."""
    return mechanism_pb2.PrecommitResult(change_id=change_id, **(verdict or {"accept": mechanism_pb2.Accept()}))


def response(*results: mechanism_pb2.PrecommitResult) -> mechanism_pb2.PrecommitResponse:
    """Return the answer to a call that asks for verdicts."""
    return mechanism_pb2.PrecommitResponse(results=results)
