"""What all tests of the SDK share: quiet logs, and waiting for a condition instead of a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from jackfield_sdk._logging import configure_logging


@pytest.fixture(autouse=True)
def _quiet_logs():
    configure_logging("error", json=True)


@pytest.fixture
def eventually():
    """Wait until a condition holds; fail after ten seconds."""

    async def wait(condition: Callable[[], object], within: float = 10.0) -> None:
        end = time.monotonic() + within
        while not condition():
            assert time.monotonic() < end, "the condition did not come true in time"
            await asyncio.sleep(0.005)

    return wait
