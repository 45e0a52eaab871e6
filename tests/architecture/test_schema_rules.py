"""Core and SDK judge the schemas of vendor attributes alike.

A schema that the SDK lets pass and the core refuses would cost a driver its
attributes in production, where nobody looks at its log.
"""

import json
from typing import Any

import pytest
from jackfield_core.attributes import rules
from jackfield_sdk._servicer import schema_rules


def _nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"not": schema}
    return schema


_DEEP, _DEEPER = _nested(200), _nested(400)

SERVED: list[dict[str, Any]] = [
    {},
    {"enum": ["red", "green"]},
    {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "additionalProperties": False},
    {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "string", "pattern": "^[a-z]+$"},
    {"$defs": {"vlan": {"minimum": 1}}, "items": {"$ref": "#/$defs/vlan"}},
    {"$defs": {"a~b/c": True}, "$ref": "#/$defs/a~0b~1c"},
    {"format": "made-up"},
    {"default": {"$comment": "a note"}},
    _DEEP,
]
REFUSED: list[Any] = [
    {"type": "colour"},
    {"enum": "red"},
    {"pattern": "("},
    {"pattern": "(?=a)b"},
    {"pattern": "(a)\\1"},
    {"$ref": "https://example.com/schema"},
    {"$ref": "schema.json"},
    {"$ref": "#/$defs/absent"},
    {"$ref": "#"},
    {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    {"$id": "https://example.com/schema"},
    {"$anchor": "here"},
    {"$dynamicRef": "#here"},
    {"$schema": "http://json-schema.org/draft-07/schema#"},
    {"allOf": [_DEEP, {"not": _DEEPER}]},
    {"enum": ["x" * 65_536]},
    {"enum": list(range(20_000))},
    ["type"],
    True,
]


@pytest.mark.parametrize("schema", SERVED)
def test_what_one_serves_the_other_serves(schema: dict[str, Any]) -> None:
    """A driver that starts is a driver whose attributes work."""
    assert list(schema_rules.faults(schema)) == []
    assert rules.compiled(rules.read(json.dumps(schema).encode()))


@pytest.mark.parametrize("schema", REFUSED, ids=lambda schema: json.dumps(schema)[:40])
def test_what_one_refuses_the_other_refuses(schema: Any) -> None:
    """The author reads it in the load error, before the core has to refuse."""
    assert list(schema_rules.faults(schema))
    with pytest.raises(rules.Unusable):
        rules.compiled(rules.read(json.dumps(schema).encode()))
