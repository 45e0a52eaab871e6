"""Changes on their way to one driver, in one request.

The request is filled in place, because a message that is put into another one
is copied. What an answer is held to later is noted beside it: to read it back
from the messages would cost as much as to fill them.
"""

from collections.abc import Mapping
from typing import NamedTuple

from jackfield.driver.v1 import mechanism_pb2

from jackfield_core.db.unit_of_work import Change
from jackfield_core.mechanism.answers import State
from jackfield_core.mechanism.translate import NO_ATTRIBUTES, Host, Surroundings, fill_change
from jackfield_core.types import Action, Kind

_NO_HOSTS: Mapping[str, Host] = {}


class Sent(NamedTuple):
    """What the answer to a change is held to."""

    kind: Kind
    revision: int


class Batch:
    """Changes for one driver; *epoch* is the time of their claim in microseconds, *hosts* are those known by name."""

    def __init__(self, epoch: int, hosts: Mapping[str, Host] = _NO_HOSTS) -> None:
        self.request = mechanism_pb2.PostcommitRequest(epoch=epoch)
        self.sent: dict[str, Sent] = {}
        """By change id."""
        self._surroundings = Surroundings(hosts)

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
        message = self.request.changes.add()
        fill_change(message, change, change_id, action, original, self._surroundings, state, attributes)
        if revision is None:
            revision = message.revision
        else:
            message.revision = revision
        self.sent[change_id] = Sent(change.kind, revision)
