"""Refusals carry what a machine needs: who speaks, why, and when to ask again."""

from __future__ import annotations

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from jackfield_sdk import MechanismDriver, RetryLater
from jackfield_sdk.testing import running


class Busy(MechanismDriver):
    """A driver whose controller has no time."""

    name = "busy"
    version = "1"

    def __init__(self, delay: float | None) -> None:
        self.delay = delay

    def list_owned(self, kinds):
        raise RetryLater("the controller restarts", self.delay, code="CONTROLLER_RESTARTS")


@pytest.mark.parametrize("delay", [7.5, None])
async def test_retry_later_of_a_whole_call_says_when(delay, tmp_path):
    """A hook's delay becomes RetryInfo beside the driver's own reason; without one there is none."""
    async with running(Busy(delay), tmp_path) as core:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await core.list_owned()

    status = Status.FromString(dict(caught.value.trailing_metadata())["grpc-status-details-bin"])
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert (status.code, status.message) == (grpc.StatusCode.UNAVAILABLE.value[0], "the controller restarts")
    info, retry = ErrorInfo(), RetryInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("CONTROLLER_RESTARTS", "busy")
    told = [detail for detail in status.details if detail.Unpack(retry)]
    assert len(told) == (delay is not None)
    assert retry.retry_delay.ToTimedelta().total_seconds() == (delay or 0)
