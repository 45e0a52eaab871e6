"""Answers become values, if they keep the contract.

An answer with one wrong, missing or doubled result is garbage as a whole: if
the driver has mixed up one change, nothing says that it has not mixed up the
others. Texts are cut and cleaned here, because they go into the database, to
users and to terminals.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from jackfield.driver.v1 import change_pb2, mechanism_pb2
from msgspec import Struct

from jackfield_core.mechanism import kept
from jackfield_core.mechanism.answers import (
    PLAINLY_DONE,
    BindAnswer,
    BindAsk,
    Bound,
    Done,
    Failed,
    Garbage,
    InProgress,
    NextLevel,
    PostcommitOutcome,
    Skip,
    State,
    Superseded,
    Veto,
)
from jackfield_core.mechanism.batch import Batch, Sent
from jackfield_core.mechanism.kept import Terms
from jackfield_core.mechanism.translate import KIND_OF, ChangeMessage
from jackfield_core.types import BINDING_FAILED, UNBOUND, Kind

ResultT = TypeVar("ResultT")

_DISPOSITIONS = {
    change_pb2.DISPOSITION_INFEASIBLE: "infeasible",
    change_pb2.DISPOSITION_CONFLICT: "conflict",
    change_pb2.DISPOSITION_BUG: "bug",
}
_EFFECTS = {change_pb2.EFFECT_NONE: "none", change_pb2.EFFECT_PARTIAL: "partial"}
_LONGEST_PAUSE = 86400.0

_details = msgspec.json.Decoder(dict[str, Any])
_controls = dict.fromkeys((*range(32), 127), " ")


class Accepted(Struct, frozen=True):
    """The change may be made; *state* is to be kept, if there is one, and *attributes* are to be set."""

    state: State | None
    attributes: dict[str, bytes]


class Rejected(Struct, frozen=True):
    """The change must not be made; *field* names an attribute at fault."""

    reason: str
    message: str
    field: str


Verdict = Accepted | Rejected | Failed
Outcome = Done | Superseded | InProgress | Failed


def read_precommit(
    terms: Terms, changes: Iterable[ChangeMessage], response: mechanism_pb2.PrecommitResponse
) -> list[Verdict]:
    """Return the verdicts in the order of *changes*, or raise Garbage."""
    kinds = {change.change_id: change.kind for change in changes}
    results = _one_each(terms.driver, list(kinds), response.results, _change_id)
    return [_verdict(terms, KIND_OF[kinds[result.change_id]], result) for result in results]


def read_postcommit(terms: Terms, batch: Batch, answer: bytes) -> PostcommitOutcome:
    """Return what became of the changes in *batch*, by change id, or raise Garbage.

    Mostly each is done, in the order in which they were sent, and nothing else is
    said. That is one text, which is compared and not read.
    """
    sent = batch.sent
    if answer == batch.plain_answer():
        return dict.fromkeys(sent, PLAINLY_DONE)
    try:
        response = mechanism_pb2.PostcommitResponse.FromString(answer)
    except DecodeError:
        raise Garbage(terms.driver, "the answer to Postcommit cannot be decoded") from None
    results = _one_each(terms.driver, list(sent), response.results, _change_id)
    return {id: _outcome(terms, change, result) for (id, change), result in zip(sent.items(), results, strict=True)}


def read_bind(
    driver: str, asks: Sequence[BindAsk], ids: Sequence[str], response: mechanism_pb2.BindPortsResponse
) -> list[BindAnswer]:
    """Return the answers in the order of *asks*, or raise Garbage."""
    results = _one_each(driver, ids, response.results, _request_id)
    return [_bind_answer(driver, ask, result) for ask, result in zip(asks, results, strict=True)]


def _change_id(result: mechanism_pb2.PrecommitResult | mechanism_pb2.PostcommitResult) -> str:
    return result.change_id


def _request_id(result: mechanism_pb2.BindResult) -> str:
    return result.request_id


def _one_each(
    driver: str, ids: Sequence[str], results: Iterable[ResultT], id_of: Callable[[ResultT], str]
) -> list[ResultT]:
    """Return one result for each of *ids*, in that order."""
    found: dict[str, ResultT] = {}
    for result in results:
        # Every look into a message makes a new string, so one has to do.
        id = id_of(result)
        if found.setdefault(id, result) is not result:
            raise Garbage(driver, f'it answered "{clean(id, 64)}" twice')
    if missing := [id for id in ids if id not in found]:
        raise Garbage(driver, f"it did not answer {len(missing)} of {len(ids)}")
    if len(found) > len(ids):
        raise Garbage(driver, f"it answered {len(found) - len(ids)} that nobody asked")
    return [found[id] for id in ids]


def _verdict(terms: Terms, kind: Kind, result: mechanism_pb2.PrecommitResult) -> Verdict:
    verdict = result.WhichOneof("verdict")
    if verdict == "accept":
        return Accepted(kept.state(terms, result.accept), kept.attributes(terms, kind, result.accept))
    if verdict == "reject":
        reject = result.reject
        message = clean(reject.message, 1000) or "no reason was given"
        return Rejected(clean(reject.reason, 63), message, clean(reject.field, 255))
    if verdict == "failed":
        return _failed(result.failed)
    raise Garbage(terms.driver, "a result holds no verdict that the core knows")


def _outcome(terms: Terms, sent: Sent, result: mechanism_pb2.PostcommitResult) -> Outcome:
    outcome = result.WhichOneof("outcome")
    if outcome == "done":
        done = result.done
        if done.revision != sent.revision:
            return _other_revision(terms, sent, done)
        return Done(kept.state(terms, done), kept.attributes(terms, sent.kind, done))
    if outcome == "in_progress":
        return InProgress(_seconds(result.in_progress.retry_after))
    if outcome == "failed":
        return _failed(result.failed)
    raise Garbage(terms.driver, "a result holds no outcome that the core knows")


def _other_revision(terms: Terms, sent: Sent, done: mechanism_pb2.Done) -> Superseded:
    if done.revision < sent.revision:
        raise Garbage(terms.driver, f"it answered revision {done.revision} to revision {sent.revision}")
    return Superseded(done.revision)


def _failed(error: change_pb2.Error) -> Failed:
    return Failed(
        disposition=_DISPOSITIONS.get(error.disposition, "retry"),
        reason=clean(error.reason, 63),
        user_message=clean(error.user_message, 1000),
        operator_message=clean(error.operator_message, 4000),
        retry_after=_seconds(error.retry_after) if error.HasField("retry_after") else None,
        effect=_EFFECTS.get(error.effect, "maybe"),
    )


def _bind_answer(driver: str, ask: BindAsk, result: mechanism_pb2.BindResult) -> BindAnswer:
    kind = result.WhichOneof("outcome")
    if kind == "skip":
        return Skip(clean(result.skip.reason, 1000))
    if kind == "veto":
        return Veto(clean(result.veto.reason, 1000))
    if kind == "bound":
        bound = result.bound
        _check_offered(driver, ask, bound.segment_id)
        if not 0 < len(bound.vif_type) <= 64 or bound.vif_type in (UNBOUND, BINDING_FAILED):
            raise Garbage(driver, f'a port cannot be bound with vif_type "{clean(bound.vif_type, 64)}"')
        return Bound(bound.segment_id, bound.vif_type, _vif_details(driver, bound.vif_details), bound.wired)
    if kind == "next":
        _check_offered(driver, ask, result.next.segment_id)
        return _next_level(driver, result.next)
    raise Garbage(driver, "a result holds no outcome that the core knows")


def _check_offered(driver: str, ask: BindAsk, segment_id: str) -> None:
    if segment_id not in {segment.id for segment in ask.segments}:
        raise Garbage(driver, f'it chose segment "{clean(segment_id, 64)}", which was not offered')


def _next_level(driver: str, next: mechanism_pb2.NextLevel) -> NextLevel:
    wanted = next.wanted
    if not wanted.network_type:
        raise Garbage(driver, "it wants a next level and does not say of which type")
    physical_network = wanted.physical_network if wanted.HasField("physical_network") else None
    return NextLevel(next.segment_id, wanted.network_type, physical_network)


def _vif_details(driver: str, text: bytes) -> dict[str, Any]:
    try:
        return _details.decode(text) if text else {}
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Garbage(driver, "vif_details is not a JSON object") from None


def _seconds(duration: Duration) -> float:
    return min(max(0.0, duration.seconds + duration.nanos / 1e9), _LONGEST_PAUSE)


def clean(text: str, longest: int) -> str:
    """Return *text* on one line and not too long; PostgreSQL takes no NUL."""
    return text[:longest].translate(_controls).strip()
