"""JSON pointers (RFC 6901): names of places inside a value."""

import re
from collections.abc import Sequence
from typing import Any

Path = tuple[str, ...]
"""Names of members and numbers of items, from the outside in; empty for the whole value."""

_STRANGE_ESCAPE = re.compile("~(?![01])")


def parse(text: str) -> Path:
    """Read a pointer.

    Raises:
        ValueError: It does not begin with a slash, or has an escape that RFC 6901 does not know.
    """
    if not text:
        return ()
    if not text.startswith("/") or _STRANGE_ESCAPE.search(text):
        raise ValueError(f"{text!r} is not a JSON pointer")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/"))


def written(path: Sequence[str | int]) -> str:
    """Return the pointer for *path*."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def find(value: Any, path: Path) -> Any:
    """Return what is at *path* of *value*.

    Raises:
        LookupError: Nothing is there.
    """
    for part in path:
        value = value[_key(value, part)]
    return value


def replaced(value: Any, path: Path, new: Any) -> Any:
    """Return *value* with *new* at *path*, or as it is if nothing is there."""
    if not path:
        return new
    try:
        key = _key(value, path[0])
        inner = replaced(value[key], path[1:], new)
    except LookupError:
        return value
    copy = value.copy()
    copy[key] = inner
    return copy


def _key(value: Any, part: str) -> Any:
    if isinstance(value, dict):
        return part
    # "007" and "-1" are no numbers of items.
    if isinstance(value, list) and part.isascii() and part.isdigit() and (part == "0" or part[0] != "0"):
        return int(part)
    raise LookupError(part)
