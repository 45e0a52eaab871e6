"""Group F: the schemas of a vendor's attributes."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema_rs
from jackfield.driver.v1 import change_pb2, driver_pb2

from jackfield_sdk.conformance.core import Core, not_judged_without
from jackfield_sdk.conformance.facts import KIND_NUMBERS
from jackfield_sdk.conformance.residents import listing_after
from jackfield_sdk.conformance.rules import case
from jackfield_sdk.conformance.vendor_attributes import point
from jackfield_sdk.conformance.verdict import require

_ATTRIBUTES = ("attributes",)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_LARGEST = 64 * 1024


@case(
    "F1",
    "valid-schemas",
    "Every schema is JSON Schema 2020-12 without remote references, at most 64 KiB.",
    "DriverService, GetSchemas",
    needs=_ATTRIBUTES,
)
async def test_valid_schemas(core: Core) -> None:
    """Read every schema, and have it checked."""
    for schema in await _schemas(core):
        size = len(schema.json_schema)
        require(size <= _LARGEST, f"the schema of {schema.name} has {size} bytes", "at most 65536")
        content = _content(schema)
        remote = [each for each in _references(content) if not each.startswith("#")]
        require(not remote, f"the schema of {schema.name} refers to {remote}", "no remote references")
        fault = _fault_in(content)
        require(not fault, f"the schema of {schema.name}: {fault}", "JSON Schema 2020-12")


@case(
    "F2",
    "digest",
    "The digest of the schemas is that of the handshake, and stays the same as long as they do.",
    "DriverService, GetSchemas",
    needs=_ATTRIBUTES,
)
async def test_digest(core: Core) -> None:
    """Ask without, with the right and with a wrong known digest."""
    told = core.facts.message.schema_digest
    require(len(told) == 32, f"a schema_digest of {len(told)} bytes", "the 32 of SHA-256")
    for _ in range(3):
        fresh = await core.wire.call("GetSchemas", driver_pb2.GetSchemasRequest())
        require(fresh.digest == told, f"digest {fresh.digest.hex()[:16]}, handshake {told.hex()[:16]}", "the same")
        again = await core.wire.call("Handshake", core.greeting())
        require(again.schema_digest == told, "another digest in the next handshake", "the same")
    known = await core.wire.call("GetSchemas", driver_pb2.GetSchemasRequest(known_digest=told))
    require(not known.schemas, f"{len(known.schemas)} schemas for the known digest", "none")
    wrong = await core.wire.call("GetSchemas", driver_pb2.GetSchemasRequest(known_digest=b"\x00" * 32))
    require(list(wrong.schemas) == list(fresh.schemas), "other schemas for an unknown digest", "all schemas")


@case(
    "F3",
    "sensitive-paths",
    "Every sensitive path is a JSON pointer to something that the schema has.",
    "DriverService, GetSchemas",
    needs=_ATTRIBUTES,
)
async def test_sensitive_paths(core: Core) -> None:
    """Follow every path."""
    for schema in await _schemas(core):
        for path in schema.sensitive_paths:
            require(not path or path.startswith("/"), f"{schema.name}: {path!r}", "a JSON pointer (RFC 6901)")
            there = point(_content(schema), path)
            require(there is not None, f"{schema.name}: nothing is at {path!r}", "a path into the schema")


@case(
    "F4",
    "attribute-names",
    "An attribute's name is [a-z][a-z0-9_]*, at most 63 bytes, once for each kind, and its kind is one that there is.",
    "DriverService, GetSchemas",
    needs=_ATTRIBUTES,
)
async def test_attribute_names(core: Core) -> None:
    """Read the names."""
    seen = set()
    for schema in await _schemas(core):
        require(_NAME.fullmatch(schema.name), f"attribute {schema.name!r}", "[a-z][a-z0-9_]*")
        require(schema.kind in KIND_NUMBERS.values(), f"{schema.name}: kind {schema.kind}", "a kind of the contract")
        key = schema.kind, schema.name
        require(key not in seen, f"attribute {schema.name!r} is there twice for a kind", "once")
        seen.add(key)


@case(
    "F5",
    "attributes-taken",
    "Values that a schema allows come with the changes, and the changes are made.",
    "Values",
    needs=("attributes", "postcommit"),
)
async def test_attributes_taken(core: Core) -> None:
    """Create a resource of each kind that has attributes, and take them away with an update."""
    kinds = [kind for kind in core.facts.kinds("postcommit") if core.attributes(kind)]
    not_judged_without(kinds, "no attribute that users set, on a kind that the driver hears of in postcommit")
    for kind in kinds:
        resource = await core.stand(kind)
        require(resource.attributes, f"no values for {kind}", "values; give them in --params, [attributes]")
        await core.settle(resource)
        await core.expect_listing()
        resource.attributes = {}
        resource.edit()
        await core.settle(resource)
        await core.expect_listing()


test_listing = listing_after("F")


async def _schemas(core: Core) -> list[driver_pb2.AttributeSchema]:
    answer = await core.wire.call("GetSchemas", driver_pb2.GetSchemasRequest())
    not_judged_without(answer.schemas, "the driver has no attributes")
    return list(answer.schemas)


def _content(schema: driver_pb2.AttributeSchema) -> Any:
    try:
        content = json.loads(schema.json_schema)
    except ValueError:
        content = None
    kind = change_pb2.ResourceKind.Name(schema.kind) if schema.kind in change_pb2.ResourceKind.values() else ""
    require(isinstance(content, (dict, bool)), f"{kind} {schema.name}: the schema is no JSON object", "JSON Schema")
    return content


def _references(content: Any) -> list[str]:
    if isinstance(content, list):
        return [each for part in content for each in _references(part)]
    if not isinstance(content, dict):
        return []
    own = [value for word, value in content.items() if word in ("$ref", "$dynamicRef") and isinstance(value, str)]
    return own + [each for part in content.values() for each in _references(part)]


def _fault_in(content: Any) -> str:
    try:
        jsonschema_rs.Draft202012Validator(content)
    except ValueError as error:
        return str(error).splitlines()[0]
    return ""
