"""How a process ends although a thread hangs in a vendor's library.

A thread cannot be stopped, and the interpreter waits for every thread that is no daemon, such as
those of `asyncio.to_thread`. After a moment in which idle ones leave, the process goes without them.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import structlog

log = structlog.get_logger("jackfield_sdk")

# Seconds in which threads may leave.
_PATIENCE = 1.0


def blocking_executor() -> ThreadPoolExecutor:
    """Make the pool of `asyncio.to_thread` on the running loop one that can be left behind."""
    executor = ThreadPoolExecutor(thread_name_prefix="to-thread")
    asyncio.get_running_loop().set_default_executor(executor)
    return executor


async def leave(executor: ThreadPoolExecutor) -> None:
    """Return once no thread is left that the interpreter would wait for; otherwise end the process."""
    executor.shutdown(wait=False, cancel_futures=True)
    end = time.monotonic() + _PATIENCE
    while left := _threads_left():
        if time.monotonic() > end:
            log.warning("driver.threads_left", threads=left)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)
        await asyncio.sleep(0.02)


def _threads_left() -> list[str]:
    main = threading.main_thread()
    return [thread.name for thread in threading.enumerate() if thread is not main and not thread.daemon]
