"""When nobody waits for an answer any more, on the clock of `time.monotonic()`.

A caller sends how long it waits, and both clocks run on by themselves. gRPC rounds what is left up,
so a hook may believe that it has some milliseconds more than it has.
"""

from __future__ import annotations

import time

from google.protobuf.duration_pb2 import Duration

from jackfield_sdk._servicer.refusal import RpcContext


def deadline_of(context: RpcContext, budget: Duration | None = None) -> float | None:
    """Return the end of a call, or of its budget if that comes first; None if there is no end."""
    left = [context.time_remaining(), None if budget is None else budget.seconds + budget.nanos / 1e9]
    known = [seconds for seconds in left if seconds is not None]
    return time.monotonic() + min(known) if known else None
