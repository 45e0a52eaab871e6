"""What tests of the SDK share: quiet logs, a core for agents, and waiting for a condition instead of a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
import structlog
from jackfield_sdk import AgentSettings, start_agent
from jackfield_sdk._logging import configure_logging
from jackfield_sdk.testing import ScriptedCore


@pytest.fixture(autouse=True)
def _quiet_logs():
    configure_logging("error", json=True)
    # Tests of other distributions run in the same process, and look for what is logged.
    structlog.configure(cache_logger_on_first_use=False)
    yield
    structlog.reset_defaults()


@pytest.fixture
def eventually():
    """Wait until a condition holds; fail after a minute."""

    async def wait(condition: Callable[[], object], within: float = 60.0) -> None:
        end = time.monotonic() + within
        while not condition():
            assert time.monotonic() < end, "the condition did not come true in time"
            await asyncio.sleep(0.005)

    return wait


@pytest.fixture
async def scripted_core(tmp_path):
    """Serve a core that agents can dial, on a socket of the test."""
    async with ScriptedCore(tmp_path) as core:
        yield core


@pytest.fixture
async def run_agent(scripted_core):
    """Run agents against the core, and stop those that are left."""
    running = []

    async def start(agent, **settings):
        quick = {"report_interval": 60, "reconnect_min": 0.02, "reconnect_max": 0.1, "retry_max": 0.05}
        started = await start_agent(
            agent, AgentSettings(core=scripted_core.address, host="host-1", **{**quick, **settings})
        )
        running.append(started)
        return started

    yield start
    for each in running:
        await each.stop()
