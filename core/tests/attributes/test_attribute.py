"""Which schemas are taken, which values fit, and what is told and shown of them."""

import json
from typing import Any

import pytest
from jackfield_core.attributes.attribute import MAX_VALUE, Attribute, Misfit
from jackfield_core.attributes.rules import Unusable
from jackfield_core.db.attribute_schema import AttributeSchema
from jackfield_core.types import Kind


def declared(schema: Any, *, sensitive_paths: tuple[str, ...] = ()) -> Attribute:
    """Return an attribute with *schema*."""
    text = schema if isinstance(schema, str) else json.dumps(schema)
    return Attribute(AttributeSchema("fabric", Kind.PORT, "colour", 1, text, True, sensitive_paths, False, False))


def misfit(attribute: Attribute, value: Any) -> str:
    """Return why *value* is refused."""
    with pytest.raises(Misfit) as caught:
        attribute.read(json.dumps(value).encode())
    return str(caught.value)


def doubled(levels: int) -> dict[str, Any]:
    """Return a small schema that takes 2 to the power of *levels* steps."""
    places: dict[str, Any] = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/a0", "$defs": {**places, f"a{levels}": {"type": "integer"}}}


UNUSABLE = {
    "not JSON": "{",
    "no object": "true",
    "a strange type": {"type": "colour"},
    "another dialect": {"$schema": "http://json-schema.org/draft-07/schema#"},
    "a reference to a server": {"$ref": "http://127.0.0.1:1/schema"},
    "a reference to a file": {"$ref": "file:///etc/passwd"},
    "a reference to nowhere": {"$ref": "#/$defs/colour"},
    "a reference to itself": {"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"},
    "a reference to the whole": {"properties": {"a": {"$ref": "#"}}},
    "a reference by anchor": {"$defs": {"a": {"$anchor": "colour"}}, "$ref": "#colour"},
    "an identifier": {"$id": "http://vendor.example/schema"},
    "look-ahead": {"pattern": "^(?=a)"},
    "a back-reference": {"pattern": "(a)\\1"},
    "an endless regular expression": {"pattern": "(a{1000}){1000}"},
    "too many bytes": {"description": "x" * 65536},
    "too deep": '{"items":' * 500 + "{}" + "}" * 500,
    "too many steps": doubled(20),
}


@pytest.mark.parametrize("schema", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_schemas_that_could_do_harm_are_not_taken(schema: Any) -> None:
    """A schema stays inside of itself and comes to an end, whoever wrote it."""
    with pytest.raises(Unusable):
        declared(schema)


@pytest.mark.parametrize("path", ["password", "/a~2", "~"])
def test_sensitive_paths_are_json_pointers(path: str) -> None:
    """A path that would mask nothing is refused before a secret is shown."""
    with pytest.raises(Unusable):
        declared({"type": "object"}, sensitive_paths=(path,))


def test_references_inside_of_a_schema_are_followed() -> None:
    """What a schema says once it need not say twice."""
    attribute = declared({"items": {"$ref": "#/$defs/vlan"}, "$defs": {"vlan": {"maximum": 4094}}})

    assert attribute.read(b"[1, 2]") == b"[1,2]"
    assert "maximum" in misfit(attribute, [1, 4095])


def test_values_are_stored_in_one_form() -> None:
    """Equal values have equal bytes, and integers of any length stay what they are."""
    attribute = declared({})

    assert attribute.read(b'{"b": 1.50, "a": 123456789012345678901234567890}') == (
        b'{"a":123456789012345678901234567890,"b":1.5}'
    )
    assert attribute.read(b" null ") == b"null"


@pytest.mark.parametrize("text", [b"{", b"\xff", b'"\\ud800"', b"[" * 5000, b"1e999", b'"' + b"x" * MAX_VALUE + b'"'])
def test_what_is_no_json_or_too_long_is_no_value(text: bytes) -> None:
    """Nothing gets into the database that a driver or a user could not read again."""
    with pytest.raises(Misfit):
        declared({}).read(text)


@pytest.mark.parametrize(
    ("schema", "value", "told"),
    [
        ({"enum": ["red", "blue"]}, "s3cret", '"" breaks the rule {"enum":["red","blue"]}'),
        ({"properties": {"vlan": {"maximum": 9}}}, {"vlan": 10}, '"/vlan" breaks the rule {"maximum":9}'),
        ({"items": {"pattern": "^a"}}, ["ab", "s3cret"], '"/1" breaks the rule {"pattern":"^a"}'),
        ({"additionalProperties": False}, {"s3cret": 1}, '{"additionalProperties":false}'),
        ({"propertyNames": {"maxLength": 3}}, {"s3cret": 1}, '{"maxLength":3}'),
        ({"not": {"const": "s3cret" * 20}}, "s3cret" * 20, 'breaks the rule "not"'),
    ],
)
def test_refusal_names_the_place_and_the_rule(schema: Any, value: Any, told: str) -> None:
    """A user learns what to change, and the log never what was in the value."""
    reason = misfit(declared(schema), value)

    assert told in reason
    assert "s3cret" not in reason


def test_refusal_does_not_go_into_a_secret() -> None:
    """Even names of members are part of what is secret."""
    schema = {"properties": {"keys": {"additionalProperties": {"type": "string"}}}}
    reason = misfit(declared(schema, sensitive_paths=("/keys",)), {"keys": {"s3cret": 1}})

    assert '"/keys"' in reason
    assert "s3cret" not in reason


def test_secrets_are_masked() -> None:
    """What a sensitive path points at is never shown, whatever it is; the rest is."""
    attribute = declared({}, sensitive_paths=("/password", "/keys/0", "/a~1b"))
    value = {"user": "u", "password": ["p"], "keys": ["k", "public"], "a/b": 1}

    assert attribute.shown(json.dumps(value).encode()) == {
        "user": "u",
        "password": "***",
        "keys": ["***", "public"],
        "a/b": "***",
    }
    assert attribute.shown(b'"text"') == "text"
    assert declared({}, sensitive_paths=("",)).shown(b"[1]") == "***"


def test_nothing_that_a_user_writes_takes_long() -> None:
    """A regular expression that would backtrack for years in other engines comes to its end."""
    assert "pattern" in misfit(declared({"pattern": "^(a+)+$"}), "a" * 10000 + "b")
