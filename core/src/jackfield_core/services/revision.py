"""Revisions: what a client expects, and what comes next."""

from typing import Any, Protocol, TypeVar

import msgspec

from jackfield_core.db.base import now
from jackfield_core.errors import RevisionMismatch


class Revised(Protocol):
    """A row that counts its changes."""

    @property
    def id(self) -> str: ...
    @property
    def revision_number(self) -> int: ...


T = TypeVar("T", bound=msgspec.Struct)


def check(row: Revised, expected: int | None) -> None:
    """Compare a row with the revision that a client named in ``If-Match``.

    Raises:
        RevisionMismatch: The row is at another revision.
    """
    if expected is not None and expected != row.revision_number:
        raise RevisionMismatch(f"Constrained to {expected}, but current revision of {row.id} is {row.revision_number}.")


def changed(row: T, **values: Any) -> T:
    """Return *row* with new values, at its next revision."""
    revision = row.revision_number + 1  # type: ignore[attr-defined]
    return msgspec.structs.replace(row, **values, revision_number=revision, updated_at=now())


def is_same(before: T, after: T) -> bool:
    """Return whether *after*, but for its revision, is what was there before."""
    revision_number, updated_at = before.revision_number, before.updated_at  # type: ignore[attr-defined]
    return msgspec.structs.replace(after, revision_number=revision_number, updated_at=updated_at) == before


def given(update: msgspec.Struct) -> dict[str, Any]:
    """Return the columns that the client named in *update*; vendor attributes are in no column."""
    values = ((name, getattr(update, name)) for name in update.__struct_fields__ if name != "attributes")
    return {name: value for name, value in values if value is not msgspec.UNSET}
