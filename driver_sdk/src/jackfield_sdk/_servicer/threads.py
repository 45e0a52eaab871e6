"""A bounded pool of threads for hooks that block.

The pool of the standard library waits for its threads when the interpreter ends, so one device
that hangs would keep the whole process from ending. These threads are daemons: whoever gave up on
them can leave. Work that was given up before it began is not begun.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

_Work = tuple["Future[Any]", Callable[..., Any], tuple[object, ...]]


class Threads:
    """At most `limit` threads, each started when it is needed for the first time."""

    def __init__(self, limit: int, name: str) -> None:
        """Start none yet; `name` is what they are called in traces."""
        self._limit = limit
        self._name = name
        self._threads: list[threading.Thread] = []
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._busy = 0

    def submit(self, function: Callable[..., Any], *arguments: object) -> Future[Any]:
        """Call a function as soon as a thread is free; cancel the future to give it up before."""
        future: Future[Any] = Future()
        with self._lock:
            self._busy += 1
            if self._busy > len(self._threads) < self._limit:
                self._start_one()
        future.add_done_callback(self._given_up)
        self._queue.put((future, function, arguments))
        return future

    def close(self) -> None:
        """Let idle threads end; those at work end after it."""
        for _ in self._threads:
            self._queue.put(None)

    def _start_one(self) -> None:
        name = f"{self._name}-{len(self._threads)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _given_up(self, future: Future[Any]) -> None:
        if future.cancelled():
            self._free()

    def _free(self) -> None:
        with self._lock:
            self._busy -= 1

    def _work(self) -> None:
        while (work := self._queue.get()) is not None:
            future, function, arguments = work
            if not future.set_running_or_notify_cancel():
                continue
            _answer(future, function, arguments, before=self._free)
            # An idle thread must not keep the last context alive.
            del work, future, function, arguments


def _answer(
    future: Future[Any], function: Callable[..., Any], arguments: tuple[object, ...], *, before: Callable[[], None]
) -> None:
    # Whoever has the answer may ask again at once, and is to find this thread free.
    try:
        answer = function(*arguments)
    except BaseException as error:  # The caller decides what it means.
        before()
        future.set_exception(error)
    else:
        before()
        future.set_result(answer)
