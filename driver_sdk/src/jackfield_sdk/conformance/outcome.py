"""What became of the cases: one outcome for each, and the verdict of the run."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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


# Reasons that a headline has room for.
_REASONS = 3
# What says something about the driver.
_VERDICTS = (Status.PASSED, Status.FAILED, Status.EXPECTED_FAILURE, Status.UNEXPECTED_PASS)
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
    # What is the same about the failure wherever it shows, and the parameters that it showed under too.
    traits: frozenset[str] = frozenset()
    also: tuple[str, ...] = ()

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
    # All rules that there are, and the outcomes of those that were tried.
    rules: Sequence[Rule] = ()
    outcomes: list[Outcome] = field(default_factory=list)

    def count(self) -> Counter[Status]:
        """Count the outcomes by status."""
        return Counter(outcome.status for outcome in self.outcomes)

    def of(self, *statuses: Status) -> list[Outcome]:
        """Return the outcomes of some statuses."""
        return [outcome for outcome in self.outcomes if outcome.status in statuses]

    @property
    def conforms(self) -> bool:
        """Tell whether something was judged, no rule was found broken, and the suite did its work."""
        return bool(self.judged()) and not self.of(*AGAINST, Status.ERROR)

    def judged(self) -> list[Rule]:
        """Return the rules that a case has come to a verdict on, each once."""
        return list(dict.fromkeys(outcome.rule for outcome in self.of(*_VERDICTS)))

    def not_judged(self) -> dict[str, list[Rule]]:
        """Return the other rules by the reason, the reason of most of them first."""
        judged, why = set(self.judged()), {outcome.rule: outcome.reason for outcome in reversed(self.outcomes)}
        found: dict[str, list[Rule]] = {}
        for rule in self.rules or list(why):
            if rule not in judged:
                found.setdefault(why.get(rule, "not chosen by --only"), []).append(rule)
        return dict(sorted(found.items(), key=lambda item: -len(item[1])))

    def note(self, outcome: Outcome) -> Outcome:
        """Take an outcome in; a failure that was told before is blocked, and named with the first one."""
        for index, told in enumerate(self.outcomes):
            if outcome.traits and outcome.traits <= told.traits and outcome.status is told.status is Status.FAILED:
                self.outcomes[index] = dataclasses.replace(told, also=(*told.also, outcome.parameter))
                reason = f"the same as {told.parameter}: {told.came}"
                outcome = dataclasses.replace(outcome, status=Status.BLOCKED, reason=reason, exchanges=())
                break
        self.outcomes.append(outcome)
        return outcome


def explained(outcome: Outcome) -> str:
    """Put a failure into words: the rule, what was sent, what came, what the contract says."""
    lines = [
        f"{outcome.title}: {outcome.status}",
        f"  rule      {outcome.rule.sentence}",
        f"  contract  proto/README.md, {outcome.rule.cites}",
    ]
    lines += [f"  {word:<9} {text}" for word, text in (("came", outcome.came), ("wanted", outcome.wanted)) if text]
    lines += [f"  {'because':<9} {outcome.reason}"] if outcome.reason else []
    lines += [f"  {'also':<9} {', '.join(outcome.also)}"] if outcome.also else []
    for number, exchange in enumerate(outcome.exchanges, 1):
        lines.append(f"  call {number}    {exchange.method}")
        lines += [f"    sent      {line}" for line in exchange.sent.splitlines()]
        lines += [f"    came      {line}" for line in exchange.came.splitlines()]
    return "\n".join(lines)


def verdict_of(run: Run) -> str:
    """Put the verdict into one line: whether it conforms, and of how much of the contract that is said."""
    judged, others = len(run.judged()), run.not_judged()
    faults = "".join(f"; {each.title}: {each.reason.splitlines()[0]}" for each in run.of(Status.ERROR))
    if not judged or (faults and not run.of(*AGAINST)):
        return f"was not judged{faults}"
    rules = "1 rule" if judged == 1 else f"{judged} rules"
    much = f"{rules} judged, {_because(others)}" if others else f"all {rules} judged"
    if run.conforms:
        return f"conforms{' in what it declares' if others else ''}: {much}"
    against = (("breaks", Status.FAILED), ("passes against expectation", Status.UNEXPECTED_PASS))
    said = [f"{verb} {', '.join(ids)}" for verb, status in against if (ids := _ids(run.of(status)))]
    return f"does not conform: {'; '.join(said)}; {much}{faults}"


def _because(others: Mapping[str, Sequence[Rule]]) -> str:
    reasons = [f"{reason.splitlines()[0]} ({len(rules)})" for reason, rules in others.items()]
    more = ", …" if len(reasons) > _REASONS else ""
    return f"{sum(map(len, others.values()))} not, because {', '.join(reasons[:_REASONS])}{more}"


def _ids(outcomes: Iterable[Outcome]) -> list[str]:
    return list(dict.fromkeys(outcome.rule.id for outcome in outcomes))
