"""What the loopback driver has the core keep: the revision that the fabric holds, in two encodings.

Version 1 is a number as text. Version 2 is a JSON object that also names the release which wrote it.
A release with `--state-version 2` reads both, so it can take over from one with `--state-version 1`,
and writes the older one until the operator has finalised the upgrade.
"""

from __future__ import annotations

import json

from jackfield_sdk.capabilities import StateVersions
from jackfield_sdk.context import DriverState
from jackfield_sdk.errors import Effect, Infeasible


def versions_of_release(newest: int | None) -> StateVersions | None:
    """Return what a release reads and writes whose newest encoding is this; None keeps no states."""
    return None if newest is None else StateVersions(min_readable=1, writes=newest)


def write_state(revision: int, version: int, release: str) -> DriverState:
    """Encode a revision in one of the two versions."""
    if version == 1:
        return DriverState(1, str(revision).encode())
    return DriverState(2, json.dumps({"revision": revision, "release": release}).encode())


def revision_in(state: DriverState, newest: int) -> int:
    """Read the revision out of a state; Infeasible if a later release wrote it, or nobody did."""
    try:
        if state.version == 1:
            return int(state.data)
        if state.version == 2 <= newest:
            return int(json.loads(state.data)["revision"])
    except (ValueError, TypeError, KeyError):
        pass
    message = f"a state of version {state.version} cannot be read by a release that knows {newest}"
    raise Infeasible(message, code="STATE_UNREADABLE", effect=Effect.NONE)
