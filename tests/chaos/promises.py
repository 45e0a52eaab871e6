"""What clients were promised: the journal of all answers, and what follows from it.

An answer with 2xx is a promise. One with 4xx, or with 503 and the name of a driver, is a promise
too: nothing has happened. No answer at all, and every other 5xx, is *unclear*: the change was made
as a whole or not at all, and the client does not know, not even when, because a core that was
stopped on the way may do it as soon as it goes on.

So a :class:`Promise` says of one resource whether it is there, is gone, or is either, and which
values each of its attributes may have. Most resources have one client that changes them; of those
that everybody changes it is only known what was ever asked for. Every resource has a mark of its own
in its name, by which it is found even if its id was never told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

REFUSED_BY_NAME = "MechanismDriverUnavailable"


class Fate(StrEnum):
    """Whether a resource has to be there."""

    THERE = "there"
    GONE = "gone"
    EITHER = "there or gone"


class Outcome(StrEnum):
    """What an answer promises."""

    DONE = "done"
    REFUSED = "refused"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request brought; no *status* means that nothing came back."""

    at: float
    client: str
    url: str
    method: str
    path: str
    asked: Any
    status: int | None
    body: Any
    seconds: float

    @property
    def outcome(self) -> Outcome:
        """What is promised by it."""
        if self.status is not None and self.status < 300:
            return Outcome.DONE
        if self.status is None or (self.status >= 500 and self.error_type != REFUSED_BY_NAME):
            return Outcome.UNCLEAR
        return Outcome.REFUSED

    @property
    def error_type(self) -> str:
        """Type of the error, as clients compare it."""
        body = self.body if isinstance(self.body, dict) else {}
        return str(body.get("NeutronError", {}).get("type", ""))

    def __str__(self) -> str:
        told = self.error_type or ("no answer" if self.status is None else "")
        return f"{self.at:8.3f}  {self.client} {self.method} {self.path} {self.asked or ''} -> {self.status} {told}"


@dataclass(slots=True)
class Promise:
    """One resource as a client may expect it."""

    kind: str
    mark: str
    network: "Promise | None" = None
    id: str | None = None
    fate: Fate = Fate.EITHER
    told: Mapping[str, Any] = field(default_factory=dict)
    """What the answer to the creation said and nobody changes: addresses of hardware, numbers of segments."""
    sure: dict[str, Any] = field(default_factory=dict)
    """Attribute to the value of the last change that was confirmed."""
    unclear: dict[str, list[Any]] = field(default_factory=dict)
    """Attribute to values of changes that may have been made, or are made yet."""
    is_shared: bool = False
    """True if several clients change it at the same time."""
    is_deleted: bool = False
    """True if a deletion was confirmed, and not only that it is not there."""
    together: str = ""
    """Mark of a bulk request: all of its resources are there, or none."""

    def is_named_in(self, text: str) -> bool:
        """Return whether a sentence is about this resource."""
        return self.mark in text or (self.id is not None and self.id in text)

    def __str__(self) -> str:
        return f"{self.kind} {self.mark} ({self.id}) is {self.fate}; sure: {self.sure}, unclear: {self.unclear}"

    def allows(self, attribute: str, value: Any) -> bool:
        """Return whether an attribute may have this value."""
        return attribute not in self.sure or value in [self.sure[attribute], *self.unclear.get(attribute, ())]

    def expected(self, attribute: str) -> str:
        """Return what an attribute may be, for people."""
        return " or ".join(repr(value) for value in [self.sure[attribute], *self.unclear.get(attribute, ())])

    def created(self, outcome: Outcome, asked: Mapping[str, Any], shown: Mapping[str, Any] | None) -> None:
        """Take in the answer to the creation."""
        self.fate = {Outcome.DONE: Fate.THERE, Outcome.REFUSED: Fate.GONE, Outcome.UNCLEAR: Fate.EITHER}[outcome]
        self.sure.update(asked)
        if shown is not None:
            self.id, self.told = shown["id"], shown

    def changed(self, outcome: Outcome, asked: Mapping[str, Any]) -> None:
        """Take in the answer to a change."""
        for attribute, value in asked.items():
            if outcome is Outcome.DONE and not self.is_shared:
                self.sure[attribute] = value
            elif outcome is not Outcome.REFUSED:
                self.unclear.setdefault(attribute, []).append(value)

    def deleted(self, outcome: Outcome) -> None:
        """Take in the answer to a deletion."""
        if outcome is Outcome.DONE:
            self.fate = Fate.GONE
            self.is_deleted = True
        elif outcome is Outcome.UNCLEAR and self.fate is Fate.THERE:
            self.fate = Fate.EITHER


class Journal:
    """All answers, all promises, and the lies that were noticed at once."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.promises: list[Promise] = []
        self.lies: list[str] = []

    def of(self, promise: Promise) -> list[str]:
        """Return the answers that concern a resource, as lines."""
        return [str(one) for one in self.answers if promise.is_named_in(f"{one.path} {one.asked}")]

    def statuses(self) -> dict[str, int]:
        """Return how many answers there were of each status."""
        counts: dict[str, int] = {}
        for one in self.answers:
            name = f"{one.status} {one.error_type}".strip() if one.status else "no answer"
            counts[name] = counts.get(name, 0) + 1
        return dict(sorted(counts.items()))
