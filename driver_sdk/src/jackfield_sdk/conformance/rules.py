"""Rules and cases: a sentence of the contract with a name, and the function that tests it.

    @case("C4", "lower-revision", "A lower revision is answered …", "Duties of a driver 4", needs=("postcommit",))
    async def test_lower_revision(core: ModelCore, kind: str) -> None: ...

A case says what it needs: a feature of the handshake, a phase, or a way to stop the driver. What is
not there makes it a skip with that reason, never a silent pass. The decorated function is a plain
one, so that pytest runs it without an asyncio plugin; the bench has the loop.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from jackfield_sdk.conformance.verdict import NotJudged

if TYPE_CHECKING:
    from jackfield_sdk.conformance.bench import Bench

GROUPS = {
    "A": "Identity",
    "B": "Precommit",
    "C": "Postcommit",
    "D": "Binding",
    "E": "State and secrets",
    "F": "Schemas",
    "G": "Reconcile",
    "H": "Events",
    "I": "Robustness",
}

KINDS = ("network", "subnet", "port")

each_kind = pytest.mark.parametrize("kind", KINDS)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `id` and `name` are stable, `cites` says where `proto/README.md` has it."""

    id: str
    name: str
    sentence: str
    cites: str
    needs: tuple[str, ...] = ()
    # The version of the suite that has it first.
    since: str = "1.0"

    @property
    def group(self) -> str:
        """The letter of its group."""
        return self.id[0]

    @property
    def title(self) -> str:
        """Id and name, as reports show them: `C4 lower-revision`."""
        return f"{self.id} {self.name}"


_RULES: dict[str, Rule] = {}


def rules() -> list[Rule]:
    """Return all rules that have been declared, in the order of their ids."""
    return sorted(_RULES.values(), key=place_of)


def place_of(rule: Rule) -> tuple[str, int]:
    """Return what rules are ordered by: the group, then the number."""
    return rule.group, int(rule.id[1:])


def get_rule(id: str) -> Rule:
    """Return the rule of an id; KeyError if there is none."""
    return _RULES[id]


def case(
    id: str,
    name: str,
    sentence: str,
    cites: str,
    *,
    needs: tuple[str, ...] = (),
    within: float = 300.0,
    since: str = "1.0",
) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., None]]:
    """Make an async function the case of a rule; it fails if it takes more than `within` seconds.

    Several cases may share a rule; they then say the same of it.
    """
    rule = Rule(id, name, sentence, cites, needs, since)
    if _RULES.setdefault(id, rule) != rule:
        raise ValueError(f"rule {id} is declared twice, and differently")

    def decorate(function: Callable[..., Awaitable[None]]) -> Callable[..., None]:
        @functools.wraps(function)
        def run(bench: Bench, **arguments: Any) -> None:
            try:
                bench.judge(rule, function, arguments, within)
            except NotJudged as reason:
                pytest.skip(str(reason))

        # pytest gives the bench instead of the core, and whatever else the case asks for.
        rest = [each for each in inspect.signature(function).parameters.values() if each.name != "core"]
        bench = inspect.Parameter("bench", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        run.__signature__ = inspect.Signature([bench, *rest])  # type: ignore[attr-defined]
        run.rule = rule  # type: ignore[attr-defined]
        return run

    return decorate


def rule_of(function: object) -> Rule | None:
    """Return the rule of a case, or None if it is no case."""
    return getattr(function, "rule", None)
