"""A vendor's own attributes: what users of the API may tell one driver, and what it may tell them.

A driver declares each attribute with a JSON Schema. The core fetches the declarations, shows the
attribute `colour` of the driver `acme` as `acme:colour`, and judges what users write with the
schema, also while the driver is down. Hooks find the values in `context.attributes`, and set them
with `Accepted(attributes={"colour": "red"})` or `Done(attributes=…)`, by the bare name both times.
None takes a value away.

    class AcmeDriver(MechanismDriver):
        name = "acme"
        attributes = (
            Attribute(Kind.NETWORK, "colour", {"enum": ["red", "green", "blue"]}),
            Attribute(Kind.PORT, "rack", {"type": "string"}, read_only=True),
        )
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jackfield_sdk.resources import Kind


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of one kind of resource.

    `name` is `[a-z][a-z0-9_]*` and at most 63 bytes. `schema` is JSON Schema 2020-12, at most 64 KiB
    as JSON, like its values; references stay inside of it and make no circle, patterns have neither
    look-around nor back-references. Its `version` grows when it is widened, and an incompatible
    change is a new name. `mutable` is False if the value may not change after creation.
    `sensitive_paths` are JSON pointers (RFC 6901) to values that nobody is shown; "" is the whole
    value. `read_only` means that only the driver sets it, `operator_only` that only operators see
    it. A wrong declaration is the load error of the driver.
    """

    kind: Kind
    name: str
    schema: Mapping[str, Any]
    version: int = 1
    mutable: bool = True
    sensitive_paths: tuple[str, ...] = ()
    read_only: bool = False
    operator_only: bool = False
