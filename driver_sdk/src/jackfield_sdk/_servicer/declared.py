"""The attributes that a driver declares: checked once at start, then the measure of what it sets.

A wrong declaration becomes the load error, in words that name the attribute, because the core
would otherwise judge users by a schema that means something else. A value that breaks its own
schema is a fault of the driver; it is found here, by name, before the core throws the whole answer
away.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jsonschema_rs
from jackfield.driver.v1 import driver_pb2

from jackfield_sdk._convert import encode
from jackfield_sdk._convert.encode import Faulty
from jackfield_sdk._servicer import schema_rules
from jackfield_sdk.attributes import Attribute
from jackfield_sdk.errors import Effect, Infeasible
from jackfield_sdk.resources import Kind

_MAX_VALUE_BYTES = 64 * 1024
_MAX_SENSITIVE_PATHS = 64

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_POINTER = re.compile(r"(/([^~/]|~[01])*)*")


class Declared:
    """The checked attributes of one driver."""

    def __init__(self, attributes: Iterable[object] = ()) -> None:
        """Check every attribute; Infeasible with the name of the first that is wrong."""
        self._schemas: dict[tuple[Kind, str], driver_pb2.AttributeSchema] = {}
        self._validators: dict[tuple[Kind, str], jsonschema_rs.Draft202012Validator] = {}
        for attribute in attributes:
            self._add(attribute)
        self.names = {kind: frozenset(name for of, name in self._schemas if of is kind) for kind in Kind}
        self.digest = hashlib.sha256(b"".join(map(_canonical, self.schemas()))).digest()

    def __bool__(self) -> bool:
        """Tell whether there is any attribute."""
        return bool(self._schemas)

    def schemas(self) -> list[driver_pb2.AttributeSchema]:
        """Return all schemas, whatever order they were declared in."""
        return [self._schemas[key] for key in sorted(self._schemas)]

    def encode(self, kind: Kind, values: Mapping[str, Any]) -> dict[str, bytes]:
        """Write the values that a driver sets; Faulty for one that it did not declare so."""
        return {name: self._encode_one(kind, name, value) for name, value in values.items()}

    def _add(self, attribute: object) -> None:
        if not isinstance(attribute, Attribute):
            raise _wrong(f"attributes holds {type(attribute).__name__}, and not only Attribute")
        if attribute.kind not in encode.KINDS:
            raise _wrong(f'attribute "{attribute.name}" is of no kind of resource')
        key = attribute.kind, attribute.name
        if key in self._schemas:
            raise _wrong(f'attribute "{attribute.name}" of {attribute.kind} is declared twice')
        fault = next(_faults(attribute), None)
        if fault is not None:
            raise _wrong(f'attribute "{attribute.name}" of {attribute.kind}: {fault}')
        self._schemas[key] = _message(attribute)
        self._validators[key] = schema_rules.validator(attribute.schema)

    def _encode_one(self, kind: Kind, name: str, value: Any) -> bytes:
        validator = self._validators.get((kind, name))
        if validator is None:
            declared = ", ".join(sorted(self.names[kind])) or "none"
            raise Faulty(f'the driver set attribute "{name}" of {kind} and declares {declared}')
        try:
            text = schema_rules.to_json(value)
        except (TypeError, ValueError):
            raise Faulty(f'the driver set attribute "{name}" of {kind} to what is no JSON') from None
        if len(text) > _MAX_VALUE_BYTES:
            raise Faulty(f'the driver set attribute "{name}" of {kind} to {len(text)} bytes of {_MAX_VALUE_BYTES}')
        # The value as JSON holds it, so that a tuple counts as an array; null takes it away.
        plain = json.loads(text)
        if plain is not None and not validator.is_valid(plain):
            # The value itself stays out of the message, because it may be a secret.
            place = schema_rules.pointer(next(validator.iter_errors(plain)).schema_path)
            raise Faulty(f'the driver set attribute "{name}" of {kind} against its schema, at {place}')
        return text


def _faults(attribute: Attribute) -> Iterator[str]:
    """Tell what is wrong with a declaration, the simplest first."""
    if not isinstance(attribute.name, str) or not _NAME.fullmatch(attribute.name):
        yield "the name is not [a-z][a-z0-9_]* of at most 63 bytes"
    if not 0 < attribute.version < 2**31:
        yield "the version is not from 1 to 2147483647"
    if len(attribute.sensitive_paths) > _MAX_SENSITIVE_PATHS:
        yield f"there are {len(attribute.sensitive_paths)} sensitive paths, and {_MAX_SENSITIVE_PATHS} are allowed"
    for path in attribute.sensitive_paths:
        if not _POINTER.fullmatch(path):
            yield f'the sensitive path "{path}" is no JSON pointer'
    yield from schema_rules.faults(attribute.schema)


def _message(attribute: Attribute) -> driver_pb2.AttributeSchema:
    return driver_pb2.AttributeSchema(
        kind=encode.KINDS[attribute.kind],
        name=attribute.name,
        version=attribute.version,
        json_schema=schema_rules.to_json(attribute.schema),
        mutable=attribute.mutable,
        sensitive_paths=attribute.sensitive_paths,
        read_only=attribute.read_only,
        operator_only=attribute.operator_only,
    )


def _canonical(message: driver_pb2.AttributeSchema) -> bytes:
    """Write everything that a core could tell apart, so that equal declarations have equal digests."""
    fields = {field.name: getattr(message, field.name) for field in message.DESCRIPTOR.fields}
    fields["json_schema"] = json.loads(message.json_schema)
    fields["sensitive_paths"] = sorted(message.sensitive_paths)
    return schema_rules.to_json(fields) + b"\n"


def _wrong(message: str) -> Infeasible:
    return Infeasible(message, effect=Effect.NONE)
