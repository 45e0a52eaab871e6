"""What became of the cases: one outcome for each, and the verdict of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from jackfield_sdk.conformance.rules import Rule
from jackfield_sdk.conformance.transcript import Exchange


class Status(StrEnum):
    """What became of a case."""

    PASSED = "passed"
    FAILED = "failed"
    # Another rule was broken on the way, so this one could not be judged.
    BLOCKED = "blocked"
    SKIPPED = "skipped"
    EXPECTED_FAILURE = "expected failure"
    UNEXPECTED_PASS = "unexpected pass"  # noqa: S105
    # A fault of the suite itself.
    ERROR = "error"


# What makes a run one that does not conform.
AGAINST = (Status.FAILED, Status.BLOCKED, Status.UNEXPECTED_PASS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one case; `parameter` is the kind, if it is run for each kind."""

    rule: Rule
    parameter: str
    status: Status
    seconds: float
    reason: str = ""
    came: str = ""
    wanted: str = ""
    exchanges: Sequence[Exchange] = ()

    @property
    def title(self) -> str:
        """`C4 lower-revision [port]`."""
        return f"{self.rule.title} [{self.parameter}]" if self.parameter else self.rule.title


@dataclass(slots=True)
class Run:
    """All outcomes of a run, and what was run against what."""

    driver: str = ""
    driver_version: str = ""
    contract: int = 0
    features: Sequence[str] = ()
    seed: int = 0
    outcomes: list[Outcome] = field(default_factory=list)

    def count(self) -> Counter[Status]:
        """Count the outcomes by status."""
        return Counter(outcome.status for outcome in self.outcomes)

    def of(self, *statuses: Status) -> list[Outcome]:
        """Return the outcomes of some statuses."""
        return [outcome for outcome in self.outcomes if outcome.status in statuses]

    @property
    def conforms(self) -> bool:
        """Tell whether no rule was found broken, and the suite did its work."""
        return bool(self.outcomes) and not self.of(*AGAINST, Status.ERROR)


def explained(outcome: Outcome) -> str:
    """Put a failure into words: the rule, what was sent, what came, what the contract says."""
    lines = [
        f"{outcome.title}: {outcome.status}",
        f"  rule      {outcome.rule.sentence}",
        f"  contract  proto/README.md, {outcome.rule.cites}",
    ]
    lines += [f"  {word:<9} {text}" for word, text in (("came", outcome.came), ("wanted", outcome.wanted)) if text]
    lines += [f"  {'because':<9} {outcome.reason}"] if outcome.reason else []
    for number, exchange in enumerate(outcome.exchanges, 1):
        lines.append(f"  call {number}    {exchange.method}")
        lines += [f"    sent      {line}" for line in exchange.sent.splitlines()]
        lines += [f"    came      {line}" for line in exchange.came.splitlines()]
    return "\n".join(lines)
