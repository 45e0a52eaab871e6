"""What a driver says is on its devices, and what it would do to them.

Both come as streams of any length, and nothing of a stream is held here. A
listing counts only if it comes to its end: whoever reads it discards what came
when this raises. What names no resource that the core could know is left out.
"""

import contextlib
import sys
from collections.abc import AsyncGenerator, Collection, Sequence

from jackfield.driver.v1 import reconcile_pb2
from msgspec import Struct

from jackfield_core.db.driver_audit import UnreachableBackend
from jackfield_core.mechanism.batch import Batch
from jackfield_core.mechanism.client import DIFF, LIST_OWNED, DriverClient
from jackfield_core.mechanism.translate import KIND_OF, KINDS
from jackfield_core.mechanism.verdicts import clean
from jackfield_core.types import Kind

SILENCE = 120.0
"""Seconds that a driver may take for the next part of a stream: a device with a slow console is read meanwhile."""
LONGEST = 1800.0
"""Seconds that a whole stream may take."""
SLICE = 500
"""Resources of a listing that are read before others get their turn."""
_ID_LENGTH = 36
_NAME_LENGTH = 255
_HIGHEST = 2**62


class Owned(Struct, frozen=True, gc=False):
    """A resource on a device; *digest* is empty if it is not as it was made, *backend* if that is not told."""

    kind: Kind
    id: str
    revision: int
    digest: bytes
    backend: str


class Page(Struct, frozen=True):
    """A part of a listing."""

    owned: Sequence[Owned]
    unreachable: Sequence[UnreachableBackend]


class Foreseen(Struct, frozen=True):
    """What would be done to one *backend* (empty if the driver does not tell) for one resource, in lines of text."""

    kind: Kind
    id: str
    backend: str
    lines: Sequence[str]


async def list_owned(client: DriverClient, kinds: Collection[Kind] = ()) -> AsyncGenerator[Page, None]:
    """Yield what the deployment owns on a driver's devices, of *kinds* or of all.

    Raises:
        NoVerdict: The stream broke, or took too long; what came is worth nothing.
        Garbage: A part of it cannot be decoded.
    """
    request = reconcile_pb2.ListOwnedRequest(kinds=[KINDS[kind] for kind in kinds])
    async with contextlib.aclosing(client.stream(LIST_OWNED, request, SILENCE, LONGEST)) as pages:
        async for page in pages:
            unreachable = [
                UnreachableBackend(clean(each.backend, _NAME_LENGTH), clean(each.reason, 1000))
                for each in page.unreachable
            ]
            yield Page([], unreachable)
            # A driver may put a hundred thousand into one message, and others want their turn meanwhile.
            for start in range(0, len(page.owned), SLICE):
                owned = page.owned[start : start + SLICE]
                yield Page([_owned(each) for each in owned if each.kind in KIND_OF and _is_id(each.id)], ())


async def diff(client: DriverClient, batch: Batch) -> AsyncGenerator[Foreseen, None]:
    """Yield what delivering *batch* would do to the devices; nothing of it is done.

    Raises:
        NoVerdict: The stream broke, or took too long; what came is not all.
        Garbage: A part of it cannot be decoded.
    """
    async with contextlib.aclosing(client.stream(DIFF, batch.dry_run(), SILENCE, LONGEST)) as answers:
        async for answer in answers:
            if answer.kind in KIND_OF:
                lines = [clean(line, 4000) for line in answer.lines]
                yield Foreseen(KIND_OF[answer.kind], clean(answer.id, 64), clean(answer.backend, _NAME_LENGTH), lines)


def _owned(message: reconcile_pb2.OwnedResource) -> Owned:
    revision = min(max(message.revision, 0), _HIGHEST)
    # Most of a listing is on few backends, and one text for each is enough.
    backend = sys.intern(clean(message.backend, _NAME_LENGTH))
    return Owned(KIND_OF[message.kind], message.id, revision, message.digest, backend)


def _is_id(text: str) -> bool:
    return 0 < len(text) <= _ID_LENGTH and text.isprintable()
