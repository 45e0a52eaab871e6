"""Which JSON Schemas the core takes from a driver.

A schema is somebody else's program that runs while a user waits. So the core
takes a part of JSON Schema 2020-12 in which no program runs for long: references
lead to places of the same document and never in a circle, and patterns are
those that a finite automaton can match (no look-around, no back-references).
``format`` is a note for people, as the specification has it.
"""

from typing import Any

import jsonschema_rs
import msgspec

from jackfield_core.attributes import pointer

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_SCHEMA = 65536
"""Bytes of one schema."""
MAX_STEPS = 20_000
"""Parts of a schema, each counted once for every way that leads to it."""

_ELSEWHERE = ("$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary")
BREACH = jsonschema_rs.ValidationError
"""Raised by a compiled schema for a value that does not fit; its own words quote the value."""


class Unusable(Exception):
    """Raised when a schema breaks the rules; the text says which one."""


def read(text: bytes) -> dict[str, Any]:
    """Return the schema in *text*, if it keeps the rules.

    Raises:
        Unusable: It does not.
    """
    if len(text) > MAX_SCHEMA:
        raise Unusable(f"it has {len(text)} bytes of at most {MAX_SCHEMA}")
    try:
        schema = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unusable("it is not a JSON object") from None
    if schema.get("$schema", DIALECT) != DIALECT:
        raise Unusable(f"its dialect is not {DIALECT}")
    try:
        _Walk(schema).steps(schema)
    except RecursionError:
        raise Unusable("it is nested too deeply") from None
    return schema


def compiled(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """Return what checks values against *schema*; a check takes microseconds.

    Raises:
        Unusable: It is not JSON Schema, or a pattern needs more than an automaton.
    """
    try:
        return jsonschema_rs.Draft202012Validator(
            schema, offline=True, validate_formats=False, pattern_options=jsonschema_rs.RegexOptions()
        )
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        raise Unusable(f"it is not a schema: {str(error).partition(chr(10))[0][:200]}") from None


class _Walk:
    """Counts how much work a schema can make, and refuses what has no end."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._targets: dict[str, int | None] = {}

    def steps(self, part: Any) -> int:
        if isinstance(part, list):
            return self._bounded(sum(map(self.steps, part)))
        if not isinstance(part, dict):
            return 1
        for name in _ELSEWHERE:
            if isinstance(part.get(name), str):
                raise Unusable(f'it has "{name}", which leads out of the part of JSON Schema that is served')
        reference = part.get("$ref")
        extra = self._target(reference) if isinstance(reference, str) else 0
        return self._bounded(1 + extra + sum(map(self.steps, part.values())))

    def _target(self, reference: str) -> int:
        """Return the steps behind a reference; None stands for one that is being counted."""
        if reference in self._targets:
            known = self._targets[reference]
            if known is None:
                raise Unusable("a reference leads back to itself")
            return known
        self._targets[reference] = None
        try:
            if not reference.startswith("#"):
                raise ValueError(reference)
            target = pointer.find(self._document, pointer.parse(reference[1:]))
        except (ValueError, LookupError):
            raise Unusable("a reference leads to no place of the same document") from None
        count = self._targets[reference] = self.steps(target)
        return count

    def _bounded(self, steps: int) -> int:
        if steps > MAX_STEPS:
            raise Unusable("it is too large, or repeats itself too often")
        return steps
