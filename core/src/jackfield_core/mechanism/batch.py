"""Changes on their way to one driver, in one request.

The request never exists as a message: changes are encoded one by one and put
together as bytes. What an answer is held to later is noted beside it.
"""

import functools
from collections.abc import Mapping

from jackfield.driver.v1 import mechanism_pb2, reconcile_pb2
from msgspec import Struct

from jackfield_core.db.unit_of_work import Change
from jackfield_core.mechanism.answers import State
from jackfield_core.mechanism.translate import (
    NO_ATTRIBUTES,
    Host,
    Surroundings,
    encode_change,
    encode_orphan,
    revision_of,
)
from jackfield_core.mechanism.wire import Encoded, framed, tag
from jackfield_core.types import Action, Kind

_NO_HOSTS: Mapping[str, Host] = {}
_CHANGES = tag(mechanism_pb2.PostcommitRequest, "changes")
# A dry run takes the same changes, and has nothing else to say.
assert tag(reconcile_pb2.DiffRequest, "changes") == _CHANGES
_RESULTS = tag(mechanism_pb2.PostcommitResponse, "results")
_CHANGE_ID, _DONE = (tag(mechanism_pb2.PostcommitResult, name) for name in ("change_id", "done"))
_PLAIN = b"%b%%c%b%%c%%b%%b" % (_RESULTS, _CHANGE_ID)


class Sent(Struct, frozen=True, gc=False):
    """What the answer to a change is held to."""

    kind: Kind
    revision: int


class Batch:
    """Changes for one driver; *epoch* is the time of their claim in microseconds, *hosts* are those known by name."""

    def __init__(self, epoch: int, hosts: Mapping[str, Host] = _NO_HOSTS) -> None:
        self._parts = [mechanism_pb2.PostcommitRequest(epoch=epoch).SerializeToString()]
        self.sent: dict[str, Sent] = {}
        """By change id."""
        self._surroundings = Surroundings(hosts)
        self._plain_results: list[bytes] = []

    def add(
        self,
        change: Change,
        *,
        change_id: str,
        action: Action,
        revision: int | None = None,
        original: bytes | None = None,
        state: State | None = None,
        attributes: Mapping[str, bytes] = NO_ATTRIBUTES,
    ) -> None:
        """Add a change as the driver sees it.

        *action*, *revision* and *original* (from :func:`translate.encode`) are
        those of the driver that is told, not those of the transaction. Without
        *revision* it is that of the resource. *attributes* are the driver's own.
        """
        if revision is None:
            revision = revision_of(change, action)
        encoded = encode_change(
            change,
            change_id=change_id,
            action=action,
            revision=revision,
            original=original,
            surroundings=self._surroundings,
            state=state,
            attributes=attributes,
        )
        self._parts.append(framed(_CHANGES, encoded))
        self.sent[change_id] = Sent(change.kind, revision)
        self._plain_results.append(_plain_result(change_id, revision))

    def add_orphan(self, kind: Kind, id: str, *, change_id: str, revision: int) -> None:
        """Add the end of what a driver has listed and nobody knows."""
        self._parts.append(framed(_CHANGES, encode_orphan(kind, id, change_id=change_id, revision=revision)))
        self.sent[change_id] = Sent(kind, revision)
        self._plain_results.append(_plain_result(change_id, revision))

    def request(self) -> Encoded:
        """Return the ``PostcommitRequest``."""
        return Encoded(b"".join(self._parts), len(self.sent))

    def dry_run(self) -> Encoded:
        """Return the ``DiffRequest``."""
        return Encoded(b"".join(self._parts[1:]), len(self.sent))

    def plain_answer(self) -> bytes:
        """Return the ``PostcommitResponse`` that says of each change in turn that it is done, and nothing else."""
        return b"".join(self._plain_results)


@functools.lru_cache(maxsize=8192)
def _plain_result(change_id: str, revision: int) -> bytes:
    """Return that a change is done, as a field of the answer; shorter than 128 bytes, so each length is one byte."""
    id, done = change_id.encode(), _done(revision)
    return _PLAIN % (len(id) + len(done) + 2, len(id), id, done)


@functools.lru_cache(maxsize=1024)
def _done(revision: int) -> bytes:
    """Return that a change is done at *revision*, as a field of its result."""
    return framed(_DONE, mechanism_pb2.Done(revision=revision).SerializeToString())
