"""What an agent has to be told, cut into pushes that it can take in one piece."""

from collections import deque
from collections.abc import Iterable

from jackfield.node.v1 import node_pb2

from jackfield_core.nodes.view import View

PUSH_SIZE = 500
"""Views in one push at most."""
PUSH_BYTES = 1 << 18
"""Bytes after which a push is closed. Messages may have 16 MiB; but a thousand agents that do not read cost as much
as a thousand pushes."""

Step = View | node_pb2.Removal


class Pile:
    """Steps in the order in which they were added, until pushes have taken them."""

    def __init__(self) -> None:
        self._steps: deque[Step] = deque()
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._steps)

    @property
    def is_full(self) -> bool:
        """True if there is enough for a push."""
        return len(self._steps) >= PUSH_SIZE or self._bytes >= PUSH_BYTES

    def add(self, steps: Iterable[Step]) -> None:
        """Put *steps* behind those that are there."""
        for step in steps:
            self._steps.append(step)
            self._bytes += _size(step)

    def take(self, nonce: str, *, is_last: bool) -> node_pb2.SyncResponse:
        """Return the next push; it is the one that says "in sync" if *is_last* and nothing is left."""
        taken: list[Step] = []
        size = 0
        while self._steps and len(taken) < PUSH_SIZE and size < PUSH_BYTES:
            taken.append(self._steps.popleft())
            size += _size(taken[-1])
        self._bytes -= size
        return node_pb2.SyncResponse(
            nonce=nonce,
            upserts=[step.upsert() for step in taken if isinstance(step, View)],
            removals=[step for step in taken if isinstance(step, node_pb2.Removal)],
            in_sync=is_last and not self._steps,
        )


def _size(step: Step) -> int:
    return len(step.encoded) if isinstance(step, View) else step.ByteSize()
