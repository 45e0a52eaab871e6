"""What a fabric holds of one resource: the thing itself, and the marks beside it.

The marks say who had it written, where, and what it looked like then. So the fabric can tell what
is its own from what is not, and what it wrote from what somebody made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Held(NamedTuple):
    """A resource on the fabric and the revision it was written at."""

    revision: int
    value: Any


@dataclass(frozen=True, slots=True)
class Mark:
    """What was noted when a resource was written.

    `owner` is the deployment whose resource it is, `backend` the part of the fabric that it is on,
    `digest` the core's. `written` is what the driver made it; None if that is known no more.
    """

    owner: str = ""
    backend: str = ""
    digest: bytes = b""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    written: Held | None = None
