"""Which revision of each resource this process made true.

A message that was on the way while a newer one was served must not turn the device back. So a
lower revision is answered with the one that is held, and its hook is not called. The same
revision calls the hook again: that is how the core repairs a device.
"""

from __future__ import annotations

from collections.abc import Hashable

# A tombstone only has to outlive messages on the way, so the oldest may go.
_TOMBSTONES = 65_536


class Held:
    """The acknowledged revisions; a fresh process holds none, and believes the core."""

    def __init__(self) -> None:
        self._present: dict[Hashable, int] = {}
        self._deleted: dict[Hashable, int] = {}

    def newer_than(self, resource: Hashable, revision: int, *, delete: bool) -> int | None:
        """Return the revision held if it overrules `revision`, otherwise None.

        A delete is final: not even its own revision brings the resource back.
        """
        held = self._present.get(resource)
        if held is not None:
            return held if held > revision else None
        held = self._deleted.get(resource)
        if held is None or (delete and held == revision):
            return None
        return held if held >= revision else None

    def acknowledge(self, resource: Hashable, revision: int, *, delete: bool) -> None:
        """Remember what was made true."""
        if not delete:
            self._present[resource] = revision
            self._deleted.pop(resource, None)
            return
        # An orphan is deleted at the revision that stood on the device, which may be a lower one.
        known = self._present.pop(resource, 0), self._deleted.pop(resource, 0)
        self._deleted[resource] = max(revision, *known)
        if len(self._deleted) > _TOMBSTONES:
            del self._deleted[next(iter(self._deleted))]
