"""Values for a vendor's attributes, made from their schemas.

A schema's own `default`, `const`, `examples` and `enum` come first; otherwise the smallest value of
the type. A free string at a sensitive path becomes the sentinel, so that a leak of it is seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from jackfield.driver.v1 import driver_pb2

from jackfield_sdk.conformance.facts import KIND_NUMBERS


def values_for(
    kind: str, schemas: Iterable[driver_pb2.AttributeSchema], told: Mapping[str, Any], sentinel: str
) -> dict[str, bytes]:
    """Return a value for every attribute of a kind that users may set: name to JSON bytes.

    `told` has the values that the operator gave; ValueError if a schema is no JSON.
    """
    values: dict[str, bytes] = {}
    for schema in schemas:
        if schema.kind != KIND_NUMBERS[kind] or schema.read_only:
            continue
        value = told.get(schema.name)
        if value is None:
            value = a_value(json.loads(schema.json_schema))
            for path in schema.sensitive_paths:
                value = _with_sentinel(value, path, json.loads(schema.json_schema), sentinel)
        values[schema.name] = json.dumps(value).encode()
    return values


def a_value(schema: Any) -> Any:
    """Make a value that fits a plain schema."""
    if not isinstance(schema, dict):
        return None
    for word in ("default", "const"):
        if word in schema:
            return schema[word]
    for word in ("examples", "enum"):
        if schema.get(word):
            return schema[word][0]
    for word in ("anyOf", "oneOf", "allOf"):
        if schema.get(word):
            return a_value(schema[word][0])
    types = schema.get("type", "object")
    return _of_type(types[0] if isinstance(types, list) else types, schema)


def point(schema: Any, path: str) -> Any:
    """Follow a JSON pointer of a value through its schema; None if the schema has nothing there."""
    for part in path.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(schema, dict):
            return None
        properties, items = schema.get("properties", {}), schema.get("items")
        schema = properties.get(name, items if name.isdigit() or name == "-" else schema.get("additionalProperties"))
    return schema


def _of_type(type: str, schema: Mapping[str, Any]) -> Any:
    match type:
        case "string":
            return "x" * max(int(schema.get("minLength", 1)), 1)
        case "integer" | "number":
            return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        case "boolean":
            return True
        case "array":
            return [a_value(schema.get("items", {})) for _ in range(int(schema.get("minItems", 0)))]
        case "object":
            properties = schema.get("properties", {})
            return {name: a_value(properties.get(name, {})) for name in (*schema.get("required", ()), *properties)}
    return None


def _with_sentinel(value: Any, path: str, schema: Any, sentinel: str) -> Any:
    there = point(schema, path)
    if not isinstance(there, dict) or there.get("type") != "string" or not _fits(there, sentinel):
        return value
    if not path:
        return sentinel
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    inside = value
    for parent in parents:
        inside = inside.get(parent) if isinstance(inside, dict) else None
    if isinstance(inside, dict):
        inside[last] = sentinel
    return value


def _fits(schema: Mapping[str, Any], sentinel: str) -> bool:
    bound = {"pattern", "enum", "const", "format"} & set(schema)
    return not bound and len(sentinel) <= int(schema.get("maxLength", len(sentinel)))
