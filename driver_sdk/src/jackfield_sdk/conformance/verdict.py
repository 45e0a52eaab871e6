"""The verdicts of a case: a rule is broken, or the case cannot be judged.

`Broken` may name another rule than the one under test, because some rules hold for every answer:
a driver that doubles its results breaks C10 whatever was asked. The case that stumbled over it is
then blocked, and the rule that was broken has the failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jackfield_sdk.conformance.transcript import Exchange


class Broken(Exception):
    """The driver broke a rule. `wanted` is what the contract says, `came` what the driver did."""

    def __init__(
        self, came: str, wanted: str = "", *, rule: str | None = None, traits: frozenset[str] = frozenset()
    ) -> None:
        """Say what came; `rule` is the id of another rule than the one under test.

        `traits` say what is the same about it wherever it shows, so that one fault is told once.
        """
        super().__init__(came)
        self.came = came
        self.wanted = wanted
        self.rule = rule
        self.traits = traits
        # The last calls before the rule was found broken, filled in by the bench.
        self.exchanges: Sequence[Exchange] = ()


class NotJudged(Exception):
    """The case does not apply to this driver: why. It becomes a visible skip."""


def require(condition: object, came: str, wanted: str = "", *, rule: str | None = None) -> None:
    """Raise `Broken` unless the condition holds."""
    if not condition:
        raise Broken(came, wanted, rule=rule)
