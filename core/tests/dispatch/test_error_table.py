"""The core does what the tables of `proto/README.md` say about dispositions and status codes."""

from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from jackfield.driver.v1 import change_pb2, mechanism_pb2
from jackfield_core.mechanism.breaker import Breaker
from jackfield_core.mechanism.doubt import UNKNOWN_OUTCOME

SOON, HALF_AN_HOUR = (0.0, 1.0), (900.0, 1800.0)
"""Bounds of the pause in seconds, with the scene's first back-off of 0.05 s."""

TABLE = {
    change_pb2.DISPOSITION_UNSPECIFIED: ("retry", SOON),
    change_pb2.DISPOSITION_RETRY: ("retry", SOON),
    change_pb2.DISPOSITION_INFEASIBLE: ("infeasible", HALF_AN_HOUR),
    change_pb2.DISPOSITION_CONFLICT: ("conflict", HALF_AN_HOUR),
    change_pb2.DISPOSITION_BUG: ("bug", SOON),
}


def failing(driver: Any, error: change_pb2.Error) -> Any:
    """Answer the first call with *error* for every change, later ones with done."""

    async def answer(request: Any, context: Any) -> Any:
        if len(driver.requests) > 1:
            return await driver.good(request, context)
        results = [
            mechanism_pb2.PostcommitResult(change_id=change.change_id, failed=error) for change in request.changes
        ]
        return mechanism_pb2.PostcommitResponse(results=results)

    return answer


@pytest.mark.parametrize("disposition", change_pb2.Disposition.values(), ids=change_pb2.Disposition.Name)
async def test_disposition_is_handled_as_the_table_says(scene: Any, disposition: Any) -> None:
    """The debt shows it, waits as long as it says, and is told at once when the resource changes."""
    named, (soonest, latest) = TABLE[disposition]
    driver = await scene.raw_driver()
    driver.answer = failing(driver, change_pb2.Error(disposition=disposition, reason="TOLD", operator_message="no"))
    # Nobody looks again by himself, so that the debt can be looked at.
    core = await scene.core(driver, backoff_first=0.5, poll_interval=600)
    tree = await core.network()

    async def has_failed() -> Any:
        return [debt for debt in await core.debts() if debt.disposition]

    [debt] = await scene.eventually(has_failed)
    assert (debt.disposition, debt.reason, debt.message) == (named, "TOLD", "no")
    assert soonest <= (debt.due_at - debt.owed_since).total_seconds() <= latest + 5
    await core.rename(tree.network, "cured")
    await core.until_paid()


@pytest.mark.parametrize("disposition", [change_pb2.DISPOSITION_RETRY, change_pb2.DISPOSITION_BUG])
async def test_driver_says_when_to_come_again(scene: Any, disposition: Any) -> None:
    """`retry_after` is the least that the core waits."""
    driver = await scene.raw_driver()
    error = change_pb2.Error(disposition=disposition, reason="TOLD", retry_after=Duration(seconds=100))
    driver.answer = failing(driver, error)
    core = await scene.core(driver)
    await core.network()

    async def has_failed() -> Any:
        return [debt for debt in await core.debts() if debt.disposition]

    [debt] = await scene.eventually(has_failed)
    assert (debt.due_at - debt.owed_since).total_seconds() >= 100


@pytest.mark.parametrize("speaks", [True, False], ids=["ErrorInfo", "no ErrorInfo"])
async def test_status_keeps_the_debt_and_is_counted_as_the_table_says(scene: Any, speaks: bool) -> None:
    """Whatever the code, the same change is sent again; the breaker counts unknown outcomes only."""
    driver = await scene.raw_driver()
    core = await scene.core(driver)
    core.registry.entry(driver.name).gate.breaker = Breaker(failures=1, retry=0.05)
    has_counted: dict[str, bool] = {}

    for code in [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]:
        driver.requests.clear()

        async def refuse(request: Any, context: Any, code: grpc.StatusCode = code) -> Any:
            if len(driver.requests) == 1:
                await context.abort(code, "no", _details(driver.name) if speaks else ())
            # A breaker that has opened stays so until its trial is answered.
            has_counted[code.name] = core.registry.entry(driver.name).gate.breaker.is_open
            return await driver.good(request, context)

        driver.answer = refuse
        await core.network()
        await core.until_paid()
        first, second = driver.told()
        assert (first.id, first.revision, first.action) == (second.id, second.revision, second.action)

    assert {code for code, counted in has_counted.items() if counted} == (set() if speaks else UNKNOWN_OUTCOME)


async def test_call_is_not_repeated_sooner_than_the_status_says(scene: Any) -> None:
    """RetryInfo beside the driver's ErrorInfo is the least that the core waits."""
    driver = await scene.raw_driver()

    async def refuse(_request: Any, context: Any) -> None:
        await context.abort(grpc.StatusCode.UNAVAILABLE, "busy", _details(driver.name, retry_after=100))

    driver.answer = refuse
    core = await scene.core(driver)
    await core.network()

    async def has_failed() -> Any:
        return [debt for debt in await core.debts() if debt.disposition]

    [debt] = await scene.eventually(has_failed)
    assert (debt.due_at - debt.owed_since).total_seconds() >= 100


def _details(driver: str, retry_after: int | None = None) -> tuple[tuple[str, bytes], ...]:
    status = status_pb2.Status(message="no")
    status.details.add().Pack(error_details_pb2.ErrorInfo(domain=driver, reason="TOLD"))
    if retry_after is not None:
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=retry_after)))
    return (("grpc-status-details-bin", status.SerializeToString()),)
