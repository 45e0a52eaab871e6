"""Which JSON Schemas a driver may declare: the part of 2020-12 that the contract serves.

A schema is run by the core while a user waits, so it has an end: references lead to places of the
same document and never in a circle, patterns are those that a finite automaton matches, and the
whole is bounded. The core has the same rules and would refuse the schema; here its author reads
why, in the load error. `format` is a note for people and checks nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jsonschema_rs

MAX_SCHEMA_BYTES = 64 * 1024
# Parts of a schema, each counted once for every way that leads to it.
MAX_PARTS = 20_000

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# They give a document, or a part of it, a name that can be referred to from elsewhere.
_NAMES_FOR_ELSEWHERE = ("$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$vocabulary")
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def to_json(value: Any) -> bytes:
    """Write a value the same way every time; TypeError or ValueError if it is no JSON."""
    return _ENCODER.encode(value).encode()


def validator(schema: Mapping[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """Return what judges values by a schema, with the options of the core."""
    options = jsonschema_rs.RegexOptions()
    return jsonschema_rs.Draft202012Validator(
        json.loads(to_json(schema)), offline=True, validate_formats=False, pattern_options=options
    )


def pointer(path: Iterable[str | int]) -> str:
    """Write a place inside a document as people read it."""
    return "".join(f"/{step}" for step in path) or "its top"


def faults(schema: object) -> Iterator[str]:
    """Tell what is wrong with a schema, the simplest first; after some faults there is no next."""
    try:
        text = to_json(schema)
    except (TypeError, ValueError, RecursionError) as error:
        yield f"the schema is no JSON: {error}"
        return
    if len(text) > MAX_SCHEMA_BYTES:
        yield f"the schema has {len(text)} bytes, and {MAX_SCHEMA_BYTES} are allowed"
    if not isinstance(schema, Mapping):
        yield "the schema is no JSON object"
        return
    if schema.get("$schema", DIALECT) != DIALECT:
        yield f"the schema is not of {DIALECT}"
    try:
        _Parts(json.loads(text)).count()
        validator(schema)
    except _Endless as error:
        yield f"the schema {error}"
    except RecursionError:
        yield "the schema is nested too deeply"
    except jsonschema_rs.ValidationError as error:
        yield f"the schema is wrong at {pointer(error.instance_path)}: {error.message}"
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        yield f"the schema is none: {str(error).partition(chr(10))[0]}"


class _Endless(Exception):
    """A schema could work for ever: why."""


class _Parts:
    """Counts the parts of one document."""

    def __init__(self, document: Any) -> None:
        self._document = document
        self._counted: dict[str, int] = {}
        self._open: set[str] = set()

    def count(self) -> int:
        """Return how many parts there are; _Endless if that has no bound."""
        return self._count(self._document)

    def _count(self, part: Any) -> int:
        if isinstance(part, list):
            return self._bounded(sum(map(self._count, part)))
        if not isinstance(part, dict):
            return 1
        for name in _NAMES_FOR_ELSEWHERE:
            if isinstance(part.get(name), str):
                raise _Endless(f'has "{name}", which is not served')
        reference = part.get("$ref")
        behind = self._behind(reference) if isinstance(reference, str) else 0
        return self._bounded(1 + behind + sum(map(self._count, part.values())))

    def _behind(self, reference: str) -> int:
        if reference in self._open:
            raise _Endless(f'refers to "{reference}" from within it')
        if reference not in self._counted:
            self._open.add(reference)
            self._counted[reference] = self._count(self._target(reference))
            self._open.remove(reference)
        return self._counted[reference]

    def _target(self, reference: str) -> Any:
        if not reference.startswith("#"):
            raise _Endless(f'refers to "{reference}", which is outside of it')
        place = self._document
        try:
            for step in reference.removeprefix("#").split("/")[1:]:
                key = step.replace("~1", "/").replace("~0", "~")
                place = place[int(key)] if isinstance(place, list) else place[key]
        except (LookupError, ValueError, TypeError):
            raise _Endless(f'refers to "{reference}", which is not there') from None
        return place

    @staticmethod
    def _bounded(parts: int) -> int:
        if parts > MAX_PARTS:
            raise _Endless("is too large, or repeats itself too often")
        return parts
