"""What a driver lists: `ListOwned`, read to its end into one listing.

A backend that cannot be read holds nobody knows what: what is missing then is unknown, not absent. So
a listing is asked for again until it is whole. A backend that stays away is waited for once in a run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from jackfield.driver.v1 import reconcile_pb2

from jackfield_sdk.conformance.facts import KIND_NUMBERS
from jackfield_sdk.conformance.model import Listing
from jackfield_sdk.conformance.verdict import require
from jackfield_sdk.conformance.wire import Wire

# Seconds to wait for a backend that cannot be read.
_BACK_WITHIN = 30.0


class Lister:
    """Lists what the driver owns, by (kind, id); of several backends, the one that is behind."""

    def __init__(self, wire: Wire) -> None:
        """Ask over `wire`."""
        self._wire = wire
        # Backends that were waited for in vain.
        self._away: set[str] = set()

    async def whole(self, kinds: Iterable[str] = ()) -> Listing:
        """List everything of these kinds, of all by default; wait for the backends that cannot be read."""
        request = reconcile_pb2.ListOwnedRequest(kinds=[KIND_NUMBERS[kind] for kind in kinds])
        end = time.monotonic() + _BACK_WITHIN
        while True:
            pages = await self._wire.listed("ListOwned", request)
            away = {each.backend for page in pages for each in page.unreachable} - self._away
            if not away:
                return _read(pages)
            if time.monotonic() > end:
                self._away |= away
            await asyncio.sleep(0.2)


def _read(pages: Iterable[reconcile_pb2.ListOwnedResponse]) -> Listing:
    names = {number: kind for kind, number in KIND_NUMBERS.items()}
    listing: Listing = {}
    seen: set[tuple[str, str, str]] = set()
    for page in pages:
        for each in page.owned:
            key = names.get(each.kind, str(each.kind)), each.id
            twice = f"{key[0]} {each.id} is listed twice on backend {each.backend!r}"
            require((*key, each.backend) not in seen, twice, "once for each backend", rule="G3")
            seen.add((*key, each.backend))
            # The lower revision, and no digest, sort first: a driver is as far as its slowest backend.
            listing[key] = min(listing.get(key, (each.revision, each.digest)), (each.revision, each.digest))
    return listing
