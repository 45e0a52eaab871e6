"""How often ncclient looks whether there is something to send.

Its sessions poll: a request waits until the thread of its session looks again, a tenth of a second as it
comes from the package, and a change takes a dozen requests. So they look often as long as any session has
something to do, and rarely when all are idle. The interval is one for all sessions, because the package has it
in a module's variable.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import ncclient.transport.session

_OFTEN: Final = 0.005
_RARELY: Final = 0.1

_lock = threading.Lock()
_busy: set[object] = set()


@contextmanager
def often() -> Iterator[None]:
    """Have requests sent at once while the block runs, in every thread."""
    someone = object()
    _enter(someone)
    try:
        yield
    finally:
        _leave(someone)


def _enter(someone: object) -> None:
    with _lock:
        _busy.add(someone)
        ncclient.transport.session.TICK = _OFTEN


def _leave(someone: object) -> None:
    with _lock:
        _busy.discard(someone)
        ncclient.transport.session.TICK = _OFTEN if _busy else _RARELY
