"""What a driver declares of its attributes, over the wire."""

from typing import Any

import pytest
from jackfield.driver.v1 import change_pb2, driver_pb2
from jackfield_core.types import Kind

NETWORK, PORT = change_pb2.RESOURCE_KIND_NETWORK, change_pb2.RESOURCE_KIND_PORT
DIGEST = b"d" * 32


def declared(name: str = "colour", **fields: Any) -> driver_pb2.AttributeSchema:
    """Return a schema of a network's attribute."""
    values = {"kind": NETWORK, "version": 1, "json_schema": b'{"type": "string"}', **fields}
    return driver_pb2.AttributeSchema(name=name, **values)


@pytest.fixture
def declare(world: Any) -> Any:
    """Start a driver with the feature that answers GetSchemas with what it is given."""

    async def start(
        *schemas: driver_pb2.AttributeSchema, digest: bytes = DIGEST, features: Any = ("attributes",)
    ) -> Any:
        fabric = await world.driver("fabric", start=False)
        handshake = fabric.handshake
        fabric.on("Handshake", lambda _request: _with(handshake(), features))
        fabric.answers("GetSchemas", driver_pb2.GetSchemasResponse(digest=digest, schemas=schemas))
        await fabric.start()
        return fabric

    return start


def _with(handshake: driver_pb2.HandshakeResponse, features: Any) -> driver_pb2.HandshakeResponse:
    handshake.features.extend(features)
    handshake.schema_digest = DIGEST
    return handshake


async def test_schemas_are_asked_for_once(world: Any, declare: Any) -> None:
    """They are known before the driver counts as ready; kinds of a later contract are left out."""
    fabric = await declare(declared(), declared(kind=PORT), declared("strange", kind=99))
    core = await world.core(fabric)

    assert [*core.registry.attributes.of_kind(Kind.NETWORK)] == ["fabric:colour"]
    assert [*core.registry.attributes.of_driver("fabric", Kind.PORT)] == ["colour"]
    assert set(core.registry.attributed()) == {Kind.NETWORK, Kind.PORT}
    assert [request.known_digest for request in fabric.requests("GetSchemas")] == [b""]


async def test_driver_without_the_feature_is_not_asked(world: Any, declare: Any) -> None:
    """What was not named is not used."""
    fabric = await declare(declared(), features=())
    core = await world.core(fabric)

    assert fabric.requests("GetSchemas") == []
    assert not core.registry.attributed()


GARBAGE = {
    "a strange name": [declared("Colour")],
    "an empty name": [declared("")],
    "a long name": [declared("c" * 64)],
    "a doubled attribute": [declared(), declared()],
    "no JSON": [declared(json_schema=b"{")],
    "no text": [declared(json_schema=b"\xff")],
    "no schema": [declared(json_schema=b'{"type": 7}')],
    "a remote reference": [declared(json_schema=b'{"$ref": "http://127.0.0.1:1/"}')],
    "a huge schema": [declared(json_schema=b'{"title": "' + b"x" * 65536 + b'"}')],
    "a huge version": [declared(version=2**32 - 1)],
    "a sensitive path that is none": [declared(sensitive_paths=["password"])],
    "very many attributes": [declared(f"a{number}") for number in range(300)],
}


@pytest.mark.parametrize("schemas", GARBAGE.values(), ids=GARBAGE.keys())
async def test_schema_that_breaks_the_contract_keeps_the_driver_out(world: Any, declare: Any, schemas: Any) -> None:
    """One wrong schema spoils all of them, and a driver that cannot be told of its attributes is not called."""
    fabric = await declare(*schemas)
    core = await world.core(fabric, wait=False)
    entry = core.entry(fabric)

    await world.eventually(lambda: "attribute" in entry.reason)

    assert not entry.is_ready
    assert not core.registry.attributed()


async def test_schemas_of_another_digest_are_garbage(world: Any, declare: Any) -> None:
    """The digest of the handshake is what tells the core that nothing has changed; it has to be true."""
    fabric = await declare(declared(), digest=b"other")
    core = await world.core(fabric, wait=False)

    await world.eventually(lambda: "digest" in core.entry(fabric).reason)

    assert not core.registry.attributed()
