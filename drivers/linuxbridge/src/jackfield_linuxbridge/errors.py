"""What the kernel refuses, in the words of what the agent does next.

Everything is tried again: a device that stands in the way is removed by its owner, a module is
loaded, a name becomes free.
"""

from __future__ import annotations

import os

from jackfield_sdk import RetryLater
from pyroute2.netlink.exceptions import NetlinkError


def kernel_error(what: str, error: Exception) -> RetryLater:
    """Translate a failure of a netlink request."""
    return RetryLater(f"{what}: {refusal(error)}", code="KERNEL_REFUSED")


def code_of(error: NetlinkError | OSError) -> int | None:
    """Return the error's number, as `errno` names it."""
    return error.code if isinstance(error, NetlinkError) else error.errno


def refusal(error: Exception) -> str:
    """Return the kernel's own words."""
    if isinstance(error, NetlinkError):
        return os.strerror(error.code)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
