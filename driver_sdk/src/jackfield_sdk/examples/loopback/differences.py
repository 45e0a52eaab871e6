"""In what a resource differs from what it should be, field by field, in words for an operator.

Values are shown because the operator has to judge them, but for those that may be secret: the
binding profile and the attributes that the driver declares sensitive. Those do not count as a
difference either, because a file keeps none of them and could not tell.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any

from jackfield_sdk.context import ChangeContext
from jackfield_sdk.examples.loopback.attributes import presentable
from jackfield_sdk.resources import Masked

_LONGEST = 200


def differences(found: Any, attributes: Mapping[str, Any], wanted: ChangeContext) -> list[str]:
    """Return a sentence for each field of `found` that is not as wanted; its attributes count too."""
    if type(found) is not type(wanted.current):
        return ["it cannot be read"]
    said = list(_differing(found, wanted.current))
    if presentable(attributes) != presentable(wanted.attributes):
        said.append("attributes differ")
    return said


def _differing(found: Any, wanted: Any, prefix: str = "") -> Iterator[str]:
    if found == wanted:
        return
    for field in fields(found):
        name, old, new = prefix + field.name, getattr(found, field.name), getattr(wanted, field.name)
        # What may hold a secret is masked wherever it goes, and read back from a file it is not there.
        if old == new or isinstance(new, Masked):
            continue
        if is_dataclass(old) and type(old) is type(new):
            yield from _differing(old, new, f"{name}.")
        else:
            yield f"{name} is {_shown(old)} instead of {_shown(new)}"


def _shown(value: Any) -> str:
    text = json.dumps(value, default=asdict)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
