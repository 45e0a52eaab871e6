"""What a compute service answered, event by event.

Nova takes a whole request or refuses it (400: it is malformed; 401 and 403: who
asks is not known, or may not). Of a request that it takes it says for each
event what became of it: 200 accepted; 404 there is no such server, so nobody is
left to be told; 422 the server is on no host, and 400 the event is not right,
both of which another attempt only mends after something has changed. Older releases
answer 404 as a whole if no event of a request was accepted, and say in words that
there are no such servers.

Whatever is not one of these is no answer, and the events are told again.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Struct

from jackfield_core.notify.difference import Event


class Verdict(StrEnum):
    """What became of an event."""

    ACCEPTED = "accepted"
    GONE = "gone"
    REFUSED = "refused"
    UNKNOWN = "unknown"

    @property
    def is_done(self) -> bool:
        """True if nothing is left to tell."""
        return self in (Verdict.ACCEPTED, Verdict.GONE)


class Answer(Struct, frozen=True):
    """What became of an event, and the code that said so; 0 if none did."""

    verdict: Verdict
    code: int = 0


class NoAnswer(Exception):
    """Raised when it is not known of any event what became of it; *reason* is a word for the ledger."""

    def __init__(self, reason: str, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text
        self.retry_after = retry_after
        """Seconds that the compute service asked for."""


class NotHeard(NoAnswer):
    """Raised when it is certain that no event of a request was taken."""


class BatchRefused(Exception):
    """Raised when a request was refused as a whole, for what one of its events may have brought into it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class _EventAnswer(Struct, frozen=True):
    name: str
    server_uuid: str
    code: Annotated[int, msgspec.Meta(ge=0, le=999)]
    tag: str | None = None


class _Answers(Struct, frozen=True):
    events: list[_EventAnswer]


class _Fault(Struct, frozen=True):
    message: str = ""


_answers = msgspec.json.Decoder(_Answers)
_fault = msgspec.json.Decoder(dict[str, _Fault])
_VERDICTS = {200: Verdict.ACCEPTED, 404: Verdict.GONE, 400: Verdict.REFUSED, 422: Verdict.REFUSED}
_CONFIGURATION = {
    401: ("unauthorized", "it does not know the token"),
    403: ("forbidden", "the token is not allowed to tell events"),
    404: ("not_found", "there is no such address; is `url` the root of its API?"),
}
"""What an operator has to mend; told again all the same, because that may happen at any time."""
LONGEST_TEXT = 300
"""Characters of somebody else's words that operators get."""
LONGEST_PAUSE = 300.0
"""Seconds that a compute service may ask for."""


def read(code: int, body: bytes, retry_after: str | None, events: Sequence[Event]) -> Mapping[Event, Answer]:
    """Return what became of each of *events*.

    Raises:
        NoAnswer: That is not known.
        BatchRefused: The request was refused as a whole.
    """
    if code in (200, 207):
        return _each(code, body, events)
    message = _message(body)
    if code == 404 and "nstances found" in message:
        return dict.fromkeys(events, Answer(Verdict.GONE, code))
    if code in _CONFIGURATION:
        reason, text = _CONFIGURATION[code]
        raise NoAnswer(reason, _sentence(code, text, message))
    if code in (400, 413, 422):
        raise BatchRefused(code, _sentence(code, "it refused the request", message))
    raise NoAnswer(f"http_{code}", _sentence(code, "it could not take events", message), _seconds(retry_after))


def plain(text: str) -> str:
    """Return *text* as one line that every database holds and every terminal shows, and not all of it if it is long."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text[:LONGEST_TEXT])


def _each(code: int, body: bytes, events: Sequence[Event]) -> Mapping[Event, Answer]:
    try:
        answers = _answers.decode(body).events
    except msgspec.MsgspecError as error:
        raise NoAnswer("garbage", f"HTTP {code} without a list of events: {plain(str(error))}") from None
    # Should it answer one event twice, the worse of the two counts.
    codes: dict[Event, int] = {}
    for one in answers:
        event = Event(one.name, one.server_uuid, one.tag or "")
        codes[event] = max(one.code, codes.get(event, 0))
    return {event: _answer(codes.get(event, 0)) for event in events}


def _answer(code: int) -> Answer:
    return Answer(_VERDICTS.get(code, Verdict.UNKNOWN), code)


def _message(body: bytes) -> str:
    """Return what a fault of OpenStack says: one object with a message, under the name of the fault."""
    try:
        faults = [*_fault.decode(body).values()]
    except msgspec.MsgspecError:
        return ""
    return faults[0].message if faults else ""


def _sentence(code: int, text: str, message: str) -> str:
    return f"HTTP {code}: {text}" + (f" ({plain(message)})" if message else "")


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds of a header ``Retry-After``; a date, which it may be too, is not heeded."""
    if not (retry_after and retry_after.isascii() and retry_after.isdecimal()):
        return None
    return min(float(retry_after), LONGEST_PAUSE)
