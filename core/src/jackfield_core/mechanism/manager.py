"""Asks mechanism drivers, and turns silence into a decision.

Precommit holds a transaction open, so all drivers are asked at once and share
one budget of time. What is known beforehand costs nothing: nobody interested
means no call, and a required driver that is away refuses the change before
anybody is asked. A refusal beats silence, and of several the first driver in
the configured order speaks, so the same request gets the same answer.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import structlog
from jackfield.driver.v1 import mechanism_pb2

from jackfield_core import config
from jackfield_core.db.unit_of_work import Change
from jackfield_core.errors import DriverRejected, DriverUnavailable
from jackfield_core.mechanism import translate, verdicts
from jackfield_core.mechanism.answers import BindAnswer, BindAsk, Failed, Garbage, NoVerdict, PostcommitOutcome
from jackfield_core.mechanism.batch import Batch
from jackfield_core.mechanism.client import BIND_PORTS, POSTCOMMIT, PRECOMMIT
from jackfield_core.mechanism.entry import Condition, DriverEntry
from jackfield_core.mechanism.kept import Terms, WrongStateVersion
from jackfield_core.mechanism.registry import Registry
from jackfield_core.mechanism.together import together
from jackfield_core.mechanism.translate import NO_ATTRIBUTES, Host, Surroundings
from jackfield_core.mechanism.verdicts import Accepted, Rejected, Verdict
from jackfield_core.observability.repeats import Repeats
from jackfield_core.types import Action

log = structlog.get_logger()

T = TypeVar("T")
_NO_HOSTS: Mapping[str, Host] = {}


class _Asked(NamedTuple):
    """What one driver is asked to judge."""

    entry: DriverEntry
    changes: list[Change]


class MechanismManager:
    """Calls to drivers, for services, the dispatcher and the binder."""

    def __init__(self, registry: Registry, settings: config.Mechanism) -> None:
        self._registry = registry
        self._settings = settings
        self._repeats = Repeats()

    async def precommit(self, changes: Sequence[Change], *, hosts: Mapping[str, Host] = _NO_HOSTS) -> None:
        """Ask the interested drivers to judge changes; the last thing in a transaction.

        ``change.states`` holds, by driver, the states kept so far; the drivers'
        new states replace them there, and attributes that they set join
        ``change.new_attributes``. *hosts* are those of bound ports, by
        name; a host that is missing is sent with its name alone.

        Raises:
            DriverRejected: A driver refuses a change.
            DriverUnavailable: A required driver gave no verdict in time.
        """
        asked = self._who_is_asked(changes)
        if not asked:
            return
        for entry, _ in asked:
            if entry.is_required and entry.condition is not Condition.READY:
                raise _unavailable(entry, _why_away(entry))
        surroundings = Surroundings(hosts)
        requests = [await _precommit_requests(entry, of_driver, surroundings) for entry, of_driver in asked]
        # Drivers are given time from now on: what the core takes to write to them is not theirs.
        deadline = time.monotonic() + self._budget(len(changes))
        answers = await together(
            [self._judge(entry, own, deadline) for (entry, _), own in zip(asked, requests, strict=True)]
        )
        for answer in answers:
            if isinstance(answer, Garbage):
                self._registry.note_garbage(answer)
        _decide(asked, answers, self._repeats)

    async def postcommit(self, name: str, batch: Batch, timeout: float) -> PostcommitOutcome:
        """Have a driver make changes true within *timeout* seconds; at most its ``limits.max_batch`` of them.

        Raises:
            NoVerdict: Not called (``attempted`` is false), or the outcome is unknown.
            Garbage: The answer breaks the contract.
        """
        entry = self._registry.entry(name)
        try:
            answer = await entry.call(POSTCOMMIT, batch.request(), timeout)
            return await self._read(entry, lambda terms: verdicts.read_postcommit(terms, batch, answer))
        except Garbage as error:
            self._registry.note_garbage(error)
            raise

    def note_garbage(self, error: Garbage) -> None:
        """Count an answer that turned out to break the contract when it was compared with the ledger."""
        self._registry.note_garbage(error)

    async def bind_ports(self, name: str, host: Host, asks: Sequence[BindAsk], timeout: float) -> list[BindAnswer]:
        """Ask a driver to bind ports of one host; the answers are in the order of *asks*.

        Raises:
            NoVerdict: Not called, or no answer in *timeout* seconds.
            Garbage: The answer breaks the contract.
        """
        entry = self._registry.entry(name)
        calls = [_bind_batch(entry, host, batch, timeout) for batch in _batches(asks, entry.limits.max_batch)]
        try:
            return [answer for answers in await together(calls) for answer in answers]
        except Garbage as error:
            self._registry.note_garbage(error)
            raise

    async def _judge(
        self, entry: DriverEntry, requests: Sequence[mechanism_pb2.PrecommitRequest], deadline: float
    ) -> list[Verdict] | NoVerdict:
        """Return the verdicts of one driver on its changes, or why there are none."""
        try:
            judged = await together([self._judge_batch(entry, request, deadline) for request in requests])
        except NoVerdict as error:
            return error
        return judged[0] if len(judged) == 1 else [verdict for batch in judged for verdict in batch]

    async def _judge_batch(
        self, entry: DriverEntry, request: mechanism_pb2.PrecommitRequest, deadline: float
    ) -> list[Verdict]:
        left = max(0.0, deadline - time.monotonic())
        request.budget.FromMicroseconds(int(left * 1e6))
        response = await entry.call(PRECOMMIT, request, left)
        return await self._read(entry, lambda terms: verdicts.read_precommit(terms, request.changes, response))

    async def _read(self, entry: DriverEntry, read: Callable[[Terms], T]) -> T:
        """Read an answer; once more if an operator may have finalised an upgrade without this process knowing."""
        try:
            return read(entry.terms)
        except WrongStateVersion:
            await self._registry.refresh()
            return read(entry.terms)

    def _who_is_asked(self, changes: Sequence[Change]) -> list[_Asked]:
        """Return what each interested driver is asked, in driver order."""
        asked: dict[str, _Asked] = {}
        for change in changes:
            for entry in self._registry.interested(change.kind, change.action):
                asked.setdefault(entry.name, _Asked(entry, [])).changes.append(change)
        return sorted(asked.values(), key=_position) if len(asked) > 1 else list(asked.values())

    def _budget(self, changes: int) -> float:
        """Return the seconds that drivers share for a transaction of so many changes."""
        return self._settings.precommit_budget + self._settings.precommit_budget_per_change * (changes - 1)


def _position(asked: _Asked) -> int:
    return asked.entry.position


async def _precommit_requests(
    entry: DriverEntry, changes: Sequence[Change], surroundings: Surroundings
) -> list[mechanism_pb2.PrecommitRequest]:
    requests: list[mechanism_pb2.PrecommitRequest] = []
    for batch in _batches(changes, entry.limits.max_batch):
        if requests:
            await asyncio.sleep(0)  # other requests get their turn while a large one is written
        requests.append(_precommit_request(entry, batch, surroundings))
    return requests


def _precommit_request(
    entry: DriverEntry, changes: Sequence[Change], surroundings: Surroundings
) -> mechanism_pb2.PrecommitRequest:
    request = mechanism_pb2.PrecommitRequest()
    for index, change in enumerate(changes):
        original = None if change.action is Action.CREATE else translate.encode_original(change)
        encoded = translate.encode_change(
            change,
            change_id=str(index),
            action=change.action,
            revision=translate.revision_of(change, change.action),
            original=original,
            surroundings=surroundings,
            state=change.states.get(entry.name),
            attributes=_own_attributes(entry, change),
        )
        request.changes.add().MergeFromString(encoded)
    return request


def _own_attributes(entry: DriverEntry, change: Change) -> Mapping[str, bytes]:
    declared = entry.attributes.get(change.kind)
    return change.attributes_of(entry.name, declared) if declared else NO_ATTRIBUTES


async def _bind_batch(entry: DriverEntry, host: Host, asks: Sequence[BindAsk], timeout: float) -> list[BindAnswer]:
    request = mechanism_pb2.BindPortsRequest()
    request.host.CopyFrom(host)
    ids = [str(index) for index in range(len(asks))]
    for id, ask in zip(ids, asks, strict=True):
        translate.fill_bind_request(request.requests.add(), id, ask)
    response = await entry.call(BIND_PORTS, request, timeout)
    return verdicts.read_bind(entry.name, asks, ids, response)


def _batches(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _decide(asked: Sequence[_Asked], answers: Sequence[list[Verdict] | NoVerdict], repeats: Repeats) -> None:
    """Let the changes pass with their new states, or raise."""
    for (entry, changes), answer in zip(asked, answers, strict=True):
        if not isinstance(answer, NoVerdict):
            _raise_rejection(entry, changes, answer)
    for (entry, changes), answer in zip(asked, answers, strict=True):
        if isinstance(answer, NoVerdict):
            _pass_if_advisory(entry, answer.text, repeats)
        else:
            _keep(entry, changes, answer, repeats)


def _raise_rejection(entry: DriverEntry, changes: Sequence[Change], answer: Sequence[Verdict]) -> None:
    for change, verdict in zip(changes, answer, strict=True):
        if isinstance(verdict, Rejected):
            message = f'Mechanism driver "{entry.name}" refused the {change.kind}: {verdict.message}'
            raise DriverRejected(message, driver=entry.name, reason=verdict.reason, field=verdict.field)


def _keep(entry: DriverEntry, changes: Sequence[Change], answer: Sequence[Verdict], repeats: Repeats) -> None:
    for change, verdict in zip(changes, answer, strict=True):
        if isinstance(verdict, Failed):
            _pass_if_advisory(entry, verdict.user_message or verdict.operator_message or verdict.reason, repeats)
        elif isinstance(verdict, Accepted):
            if verdict.state is not None:
                change.states = {**change.states, entry.name: verdict.state}
            if verdict.attributes:
                own = {(entry.name, name): value for name, value in verdict.attributes.items()}
                change.new_attributes = {**change.new_attributes, **own}


def _pass_if_advisory(entry: DriverEntry, reason: str, repeats: Repeats) -> None:
    if entry.is_required:
        raise _unavailable(entry, reason)
    repeated = repeats.count(entry.name)
    if repeated is not None:
        log.warning("precommit.passed_without_verdict", driver=entry.name, reason=reason, repeated=repeated)


def _why_away(entry: DriverEntry) -> str:
    """Return what users are told; addresses and the words of libraries are the operator's business."""
    return f"it is {entry.condition}" + (f": {entry.reason}" if entry.is_quarantined else "")


def _unavailable(entry: DriverEntry, reason: str) -> DriverUnavailable:
    return DriverUnavailable(f'Mechanism driver "{entry.name}" gave no verdict: {reason}', driver=entry.name)
