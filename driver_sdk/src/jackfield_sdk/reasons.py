"""Every reason that the SDK gives or knows by itself, in one place; `proto/README.md` has the same tables.

A vendor's own reasons are the vendor's affair. These are part of the contract: the core, alerts and
the conformance suite know them by name, so a test compares them with the tables.
"""

from __future__ import annotations

from enum import Enum, StrEnum

import grpc

NOT_ITS_HOST = grpc.StatusCode.PERMISSION_DENIED
"""What the core answers an agent whose certificate does not name the host that it speaks for."""


class CallReason(Enum):
    """Why a whole call is refused: the reason of its `ErrorInfo`, and the status code it comes with."""

    DRAINING = ("DRAINING", grpc.StatusCode.UNAVAILABLE)
    LOAD_ERROR = ("LOAD_ERROR", grpc.StatusCode.FAILED_PRECONDITION)
    BATCH_TOO_LARGE = ("BATCH_TOO_LARGE", grpc.StatusCode.INVALID_ARGUMENT)
    MALFORMED = ("MALFORMED", grpc.StatusCode.INVALID_ARGUMENT)
    UNSUPPORTED = ("UNSUPPORTED", grpc.StatusCode.INVALID_ARGUMENT)
    NOT_SERVED = ("UNSUPPORTED", grpc.StatusCode.UNIMPLEMENTED)

    @property
    def reason(self) -> str:
        """The name on the wire."""
        return self.value[0]

    @property
    def code(self) -> grpc.StatusCode:
        """The status code."""
        return self.value[1]


class ChangeReason(StrEnum):
    """Why one change is not true, where the driver did not name a reason of its own."""

    DRIVER_ERROR = "DRIVER_ERROR"
    RETRY_LATER = "RETRY_LATER"
    INFEASIBLE = "INFEASIBLE"
    DEVICE_CONFLICT = "DEVICE_CONFLICT"
    REJECTED = "REJECTED"
    UNSUPPORTED = "UNSUPPORTED"
    MALFORMED = "MALFORMED"
    DRIVER_BUG = "DRIVER_BUG"
    # For a driver that looks at epochs; the SDK compares revisions, which is enough.
    STALE_EPOCH = "STALE_EPOCH"
