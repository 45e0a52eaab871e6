"""What an audit finds."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from jackfield_core.db.driver_audit import UnreachableBackend
from jackfield_core.db.spread import Spread
from jackfield_core.types import Kind


class Difference(StrEnum):
    """How a device differs from what its driver has acknowledged."""

    MISSING = "missing"
    """It is not there."""
    CHANGED = "changed"
    """It is there, and not as it was made."""
    ORPHAN = "orphan"
    """It is there, bears our mark, and nobody knows it."""


class Finding(Struct, frozen=True, gc=False):
    """One difference; *revision* is the acknowledged one, of an orphan the one that is listed."""

    difference: Difference
    kind: Kind
    resource_id: str
    revision: int


class Findings(Struct, frozen=True):
    """What the comparison of one driver's listing with the ledger has found.

    *since* is when the listing began, *listed* how many resources it named and
    *compared* how many rows of the ledger it was held against. *found* has
    networks before subnets before ports. What *unreachable* backends hold is
    unknown: with any of them nothing is missing. *held* are orphans found
    before that still are there and wait for an operator, *grown* those of them
    whose revision is higher now, *gone* those that are not there any more. *spread*
    is what is on other backends than before, and on several, *not_spread* what is
    not on several any more.
    """

    driver: str
    since: datetime
    listed: int
    compared: int
    found: Sequence[Finding]
    unreachable: tuple[UnreachableBackend, ...] = ()
    listed_kinds: frozenset[str] = frozenset()
    held: Sequence[Finding] = ()
    gone: Sequence[Finding] = ()
    grown: Sequence[Finding] = ()
    spread: Sequence[Spread] = ()
    not_spread: Sequence[tuple[Kind, str]] = ()

    def of(self, difference: Difference) -> Sequence[Finding]:
        """Return the findings of one sort."""
        return [finding for finding in self.found if finding.difference is difference]
