"""The inventory's file: read with the line of every fault, and read again when it changes.

`read_inventory` takes YAML in which every key counts once and nothing is guessed: numbers, `true`,
`false` and `null` are what they are, everything else is text (YAML would read the MAC address
`10:11:22:33:44:55` as a number). A fault says file, line, path and fact; what was written there is
not quoted, because it may be a password in the wrong place.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from jackfield_arista.inventory.consistency import Inconsistent
from jackfield_arista.inventory.model import Inventory

_LARGEST = 16 * 2**20
# The path of a fault: names of entries, numbers of list entries.
Loc = Sequence[str | int]
_FACTS = {
    "missing": "is missing",
    "extra_forbidden": "no such setting is known here",
    "tuple_type": "must be a list",
    "mapping_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "string_type": "must be text",
    "int_parsing": "must be a number",
    "bool_parsing": "must be true or false",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at one place of the file; `line` counts from 1, 0 if the whole file is meant."""

    line: int
    path: str
    fact: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.path, self.fact) if part)


class InventoryInvalid(Exception):
    """The file cannot be used. Its text has one line for each fault: `file:line: path: fact`."""

    def __init__(self, file: Path, faults: Sequence[Fault]) -> None:
        """Keep the faults in the order of the file."""
        self.faults = tuple(sorted(faults, key=lambda fault: fault.line))
        lines = (f"{file}:{fault.line}: {fault}" if fault.line else f"{file}: {fault}" for fault in self.faults)
        super().__init__("\n".join(lines))


class _GivenBefore(yaml.constructor.ConstructorError):  # type: ignore[misc]
    """A key is in one mapping twice, which YAML forbids and its readers let pass."""


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # no types are published with it
    """Plain YAML: a key counts once, and only what is plainly a number, a truth or nothing is one."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                raise _GivenBefore(None, None, "this key was given before", key.start_mark)
            seen.add(key.value)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("int", r"0|-?[1-9][0-9]*", "-0123456789"),
    ("null", r"~|null|", ["~", "n", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


def read_inventory(file: Path) -> Inventory:
    """Return the inventory of a file; InventoryInvalid says all that is wrong with it."""
    return parse_inventory(read_text(file), file)


def parse_inventory(text: str, file: Path) -> Inventory:
    """Return the inventory of a text that was read from *file*."""
    root, data = _parse(text, file)
    try:
        return Inventory.model_validate({} if data is None else data)
    except ValidationError as error:
        # Not chained: the error holds what was written in the file.
        faults = [Fault(_line(root, loc), _path(loc), fact) for loc, fact in _facts(error)]
    raise InventoryInvalid(file, faults)


def read_text(file: Path) -> str:
    """Return what is in the file; InventoryInvalid if it cannot be read, or is no text."""
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST + 1)
    except OSError as error:
        raise InventoryInvalid(file, [Fault(0, "", error.strerror or "cannot be read")]) from error
    if len(content) > _LARGEST:
        raise InventoryInvalid(file, [Fault(0, "", f"is larger than {_LARGEST} bytes")])
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise InventoryInvalid(file, [Fault(0, "", "is not UTF-8 text")]) from None


def _parse(text: str, file: Path) -> tuple[yaml.Node | None, Any]:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        return root, loader.construct_document(root) if root is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        fault = Fault(mark.line + 1 if mark else 0, "", _fact(error))
    except (yaml.YAMLError, ValueError, RecursionError):
        fault = Fault(0, "", "is no YAML")
    finally:
        loader.dispose()
    raise InventoryInvalid(file, [fault])


def _fact(error: yaml.MarkedYAMLError) -> str:
    """Return what YAML says without what it quotes of the file, but for single characters and kinds of tokens."""
    if isinstance(error, yaml.composer.ComposerError):
        return "an alias is not defined, or is defined twice"
    if isinstance(error, yaml.constructor.ConstructorError) and not isinstance(error, _GivenBefore):
        return "a tag, a key or a merge is none that is understood here"
    quoted = re.compile(r"'([^']*)'|\"([^\"]*)\"")
    return quoted.sub(lambda found: found[0] if _is_harmless(found[1] or "") else "this", error.problem or "is no YAML")


def _is_harmless(quoted: str) -> bool:
    return len(quoted) <= 1 or re.fullmatch(r"<[a-z ]+>", quoted) is not None


def _facts(error: ValidationError) -> Iterator[tuple[Loc, str]]:
    for one in error.errors(include_input=False, include_url=False):
        cause = one.get("ctx", {}).get("error")
        if isinstance(cause, Inconsistent):
            yield from cause.faults
        else:
            yield one["loc"], _FACTS.get(one["type"], one["msg"].removeprefix("Value error, "))


def _path(loc: Loc) -> str:
    return ".".join(str(part) for part in loc)


def _line(root: yaml.Node | None, loc: Loc) -> int:
    """Return the line of a path, or of as much of it as is there."""
    if root is None:
        return 0
    node, line = root, root.start_mark.line
    for part in loc:
        found = _child(node, part)
        if found is None:
            break
        node, line = found[1], found[0].start_mark.line
    return int(line) + 1


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """Return where an entry begins, and the entry."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    if isinstance(node, yaml.MappingNode):
        # What was merged is in front of what was written, and the last one counts.
        return next(((key, value) for key, value in reversed(node.value) if key.value == str(part)), None)
    return None
