"""Why a body was not taken, in Neutron's words.

Bodies are decoded straight into typed values, which is fast and stops at the
first fault. Only then is this module asked: it reads the body again without
types and looks for what Neutron would complain of first. That is unknown
attributes, attributes that may not be set, missing ones, and wrong values,
each named.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from jackfield_core.api.faults import bad_request
from jackfield_core.api.schemas.values import quoted, refuse
from jackfield_core.errors import Invalid

_PLACE = re.compile(r" - at `\$(?:\[(?P<item>\d+)\])?(?:\.(?P<name>[^.\[`]+))?(?P<inner>[^`]*)`$")
_STEP = re.compile(r"\[(\d+)\]|\.([^.\[]+)")
_MISSING = re.compile(r"^Object missing required field `([^`]*)`")
_UNKNOWN = re.compile(r"^Object contains unknown field `([^`]*)`")
_TOO_LONG = re.compile(r"^Expected `str(?: \| null)?` of length <= (\d+)")

# The beginning of what msgspec expected, and what a value is not.
_REASONS = (
    ("Expected `bool", "cannot be converted to boolean"),
    ("Expected `int", "is not an integer"),
    ("Expected `str` matching", "is not a valid UUID"),
    ("Expected `str | null` matching", "is not a valid UUID"),
    ("Expected `str", "is not a valid string"),
    ("Expected `array", "is not a list"),
    ("Expected `object", "is not a dictionary"),
    ("Expected `null`", "is not supported"),
)


def unreadable(error: Exception) -> Invalid:
    """Return the error for a body that is not JSON, or has no envelope."""
    if isinstance(error, RecursionError):
        return bad_request("Body contains invalid data: it is nested too deeply")
    return bad_request(f"Body contains invalid data: {error}")


class Grammar(Struct, frozen=True):
    """What the bodies of one kind of request may hold.

    *accepted* are the attributes that may be set, True for those that must be;
    *known* are all that answers have.
    """

    resource: str
    accepted: Mapping[str, bool]
    known: Collection[str]
    is_creation: bool


def explain(error: Exception, raw: Raw, grammar: Grammar) -> Invalid:
    """Return the error for the content of an envelope, to which msgspec objected with *error*."""
    try:
        content = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as broken:
        return unreadable(broken)
    item, name, inner = _place(str(error))
    body = content[item] if item is not None and isinstance(content, list) else content
    is_about_all_of_it = not name and str(error).startswith("Expected")
    if is_about_all_of_it or not isinstance(body, dict):
        return bad_request(f"Object '{grammar.resource}' contains invalid data")
    return _unfit(body, grammar) or _wrong(str(error), body, name, inner)


def nul_in(raw: Raw) -> Invalid | None:
    """Return the error for a text with a NUL character, which no database stores."""
    content = msgspec.json.decode(raw)
    for body in content if isinstance(content, list) else [content]:
        for name, value in body.items():
            if _has_nul(value):
                return refuse(name, "it contains a NUL character")
    return None


def _place(message: str) -> tuple[int | None, str, str]:
    """Return the item of a bulk request, the attribute, and the way inside it, of what msgspec complains of."""
    match = _PLACE.search(message)
    if match is None:
        return None, "", ""
    item = match["item"]
    return (None if item is None else int(item)), match["name"] or "", match["inner"]


def _unfit(body: dict[str, Any], grammar: Grammar) -> Invalid | None:
    """Return the error for names that do not belong in *body* or are missing from it."""
    strange = [name for name in body if name not in grammar.accepted]
    if unknown := [name for name in strange if name not in grammar.known]:
        return bad_request(f"Unrecognized attribute(s) {quoted(', '.join(unknown))}")
    if strange and grammar.is_creation:
        return bad_request(f"Attribute '{strange[0]}' not allowed in POST")
    if strange:
        return bad_request(f"Cannot update read-only attribute {strange[0]}")
    for name, is_required in grammar.accepted.items():
        if is_required and name not in body:
            return bad_request(f"Failed to parse request. Required attribute '{name}' not specified")
    return None


def _wrong(message: str, body: dict[str, Any], name: str, inner: str) -> Invalid:
    """Return the error for a value of the wrong type or form."""
    value = body.get(name)
    for index, key in _STEP.findall(inner):
        if index and isinstance(value, list):
            value = value[int(index)]
        elif key and isinstance(value, dict):
            value = value.get(key)
    if match := _MISSING.match(message):
        return refuse(name, f"'{match[1]}' is missing in {quoted(value)}")
    if match := _UNKNOWN.match(message):
        return refuse(name, f"{quoted(match[1])} is not expected in {quoted(value)}")
    if match := _TOO_LONG.match(message):
        return refuse(name, f"{quoted(value)} exceeds maximum length of {match[1]}")
    for beginning, reason in _REASONS:
        if message.startswith(beginning):
            return refuse(name, f"{quoted(value)} {reason}")
    return refuse(name, message)


def _has_nul(value: Any) -> bool:
    # Not by recursion: msgspec reads bodies that are nested deeper than Python calls.
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str) and "\0" in one:
            return True
        if isinstance(one, dict):
            waiting += [*one, *one.values()]
        elif isinstance(one, list):
            waiting += one
    return False
