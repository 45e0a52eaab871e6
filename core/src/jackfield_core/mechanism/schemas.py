"""Schemas of vendor attributes, as they come over the wire.

One that the core cannot use spoils the whole answer: the core then keeps what it
has, and the process does not serve.
"""

import re
from collections.abc import Sequence

from jackfield.driver.v1 import change_pb2, driver_pb2

from jackfield_core.attributes.attribute import Attribute
from jackfield_core.attributes.rules import MAX_SCHEMA, Unusable
from jackfield_core.db.attribute_schema import AttributeSchema
from jackfield_core.mechanism.answers import Garbage
from jackfield_core.types import Kind

KINDS = {
    change_pb2.RESOURCE_KIND_NETWORK: Kind.NETWORK,
    change_pb2.RESOURCE_KIND_SUBNET: Kind.SUBNET,
    change_pb2.RESOURCE_KIND_PORT: Kind.PORT,
}
MOST = 256
"""Schemas of one driver."""
_NAME = re.compile("[a-z][a-z0-9_]{0,62}")
_LARGEST_VERSION = 2**31 - 1


def read(name: str, digest: bytes, response: driver_pb2.GetSchemasResponse) -> Sequence[AttributeSchema]:
    """Return the schemas that the driver called *name* declares; kinds that the core does not know are left out.

    *digest* is the one of its handshake.

    Raises:
        Garbage: The answer breaks the contract.
    """
    if response.digest != digest:
        raise Garbage(name, "its schemas have another digest than its handshake")
    schemas = [_schema(name, message) for message in response.schemas if message.kind in KINDS]
    if len(schemas) > MOST:
        raise Garbage(name, f"it declares {len(schemas)} attributes, and {MOST} are the most")
    if len({(schema.kind, schema.name) for schema in schemas}) != len(schemas):
        raise Garbage(name, "it declares an attribute twice")
    return schemas


def _schema(driver: str, message: driver_pb2.AttributeSchema) -> AttributeSchema:
    if not _NAME.fullmatch(message.name):
        raise Garbage(driver, f"{message.name[:63]!r} is no name of an attribute")
    if len(message.json_schema) > MAX_SCHEMA or message.version > _LARGEST_VERSION:
        raise Garbage(driver, f'the schema of attribute "{message.name}" or its version is too large')
    try:
        text = message.json_schema.decode()
    except UnicodeDecodeError:
        raise Garbage(driver, f'the schema of attribute "{message.name}" is not UTF-8') from None
    if "\0" in text:
        # PostgreSQL keeps no such text, and JSON knows none.
        raise Garbage(driver, f'the schema of attribute "{message.name}" is not JSON')
    schema = AttributeSchema(
        driver,
        KINDS[message.kind],
        message.name,
        message.version,
        text,
        message.mutable,
        tuple(message.sensitive_paths),
        message.read_only,
        message.operator_only,
    )
    try:
        Attribute(schema)
    except Unusable as error:
        raise Garbage(driver, f'the schema of attribute "{message.name}" cannot be used: {error}') from None
    return schema
