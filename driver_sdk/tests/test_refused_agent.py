"""An agent that the core does not believe says so in words, and is let in once somebody has mended that."""

from __future__ import annotations

import grpc
import pytest
from jackfield_sdk import AgentSettings, start_agent
from jackfield_sdk.testing import RecordingAgent, ScriptedCore
from structlog.testing import capture_logs

REASON = 'hello.host is "host-1", and the certificate of the agent names "host-2"'


class Doorkeeper(ScriptedCore):
    """A core that lets nobody in as long as it has a reason."""

    reason = REASON

    async def Sync(self, request_iterator, context):  # noqa: N802
        if self.reason:
            await anext(aiter(request_iterator))
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, self.reason)
        async for push in super().Sync(request_iterator, context):
            yield push


@pytest.fixture
async def core(tmp_path):
    async with Doorkeeper(tmp_path) as core:
        yield core


@pytest.fixture
async def knock(core):
    """Run agents that are refused, and stop them."""
    running = []

    async def start(**settings):
        running.append(await start_agent(RecordingAgent(), AgentSettings(core=core.address, host="host-1", **settings)))

    yield start
    for each in running:
        await each.stop()


async def test_a_refused_agent_says_why_and_waits_for_long(core, knock, eventually):
    """The sentence of the core is an error in its log, and the next try is as late as one ever is."""
    with capture_logs() as logs:
        await knock(reconnect_min=0.001, reconnect_max=600)
        await eventually(lambda: any(each["event"] == "core.refused" for each in logs), within=60)

    [told] = [each for each in logs if each["event"] == "core.refused"]
    assert (told["log_level"], told["core"], told["host"]) == ("error", core.address, "host-1")
    assert told["reason"] == REASON
    assert 300 <= told["retry_in"] <= 600


async def test_a_refused_agent_is_let_in_without_a_restart(core, knock, eventually):
    """It tries again, and the cause may be gone then."""
    with capture_logs() as logs:
        await knock(reconnect_max=0.1)
        await eventually(lambda: any(each["event"] == "core.refused" for each in logs), within=60)
    core.reason = ""

    assert (await core.session()).hello.host == "host-1"
