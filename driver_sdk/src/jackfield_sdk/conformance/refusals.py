"""Refusals that the contract words exactly: the code, the reason, and whose they are."""

from __future__ import annotations

import grpc

from jackfield_sdk.conformance.core import Core
from jackfield_sdk.conformance.transcript import Refusal
from jackfield_sdk.conformance.verdict import require


def require_refusal(refusal: Refusal, code: grpc.StatusCode, reason: str, core: Core) -> None:
    """Raise `Broken` unless the refusal has this code and reason, in the driver's name."""
    wanted = f"{code.name} with ErrorInfo(reason={reason}, domain={core.facts.driver})"
    fits = (refusal.code, refusal.reason, refusal.domain) == (code, reason, core.facts.driver)
    require(fits, str(refusal), wanted)


def require_too_large(refusal: Refusal, core: Core) -> None:
    """Raise `Broken` unless a batch was refused as too large."""
    require_refusal(refusal, grpc.StatusCode.INVALID_ARGUMENT, "BATCH_TOO_LARGE", core)
