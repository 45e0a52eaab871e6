"""One attribute of a vendor, ready to check values and to show them.

What is wrong with a value is told by its place and the rule that it breaks, and
never in words of the value: it may be a password, and messages end in logs.
"""

from typing import Any

import msgspec
from msgspec import Raw

from jackfield_core.attributes import pointer, rules
from jackfield_core.db.attribute_schema import AttributeSchema
from jackfield_core.types import Kind

MASK = "***"
"""What is shown in the place of a secret."""
MAX_VALUE = 65536
"""Bytes of one value as JSON."""
MAX_PATHS = 64
"""Sensitive paths of one attribute."""

encode = msgspec.json.Encoder(order="deterministic").encode
_LONGEST_RULE = 100


class Misfit(Exception):
    """Raised for a value that is not one of the attribute; the text says why, and nothing of the value."""


class Attribute:
    """What a driver declared, compiled once.

    Raises:
        Unusable: The schema or a sensitive path breaks the rules.
    """

    def __init__(self, declared: AttributeSchema) -> None:
        self.driver = declared.driver
        self.kind = Kind(declared.kind)
        self.name = declared.name
        self.full_name = f"{declared.driver}:{declared.name}"
        self.is_mutable = declared.mutable
        self.is_read_only = declared.read_only
        self.is_operator_only = declared.operator_only
        self._schema = rules.read(declared.json_schema.encode())
        self._validator = rules.compiled(self._schema)
        if len(declared.sensitive_paths) > MAX_PATHS:
            raise rules.Unusable(f"it has {len(declared.sensitive_paths)} of at most {MAX_PATHS} sensitive paths")
        self._sensitive = tuple(map(_sensitive_path, declared.sensitive_paths))

    def read(self, text: bytes | Raw) -> bytes:
        """Return a value as it is stored: checked, and always written in the same way.

        Raises:
            Misfit: It is not JSON, too long, or does not fit the schema. The
                text says which rule it breaks, in no word of the value.
        """
        try:
            value = msgspec.json.decode(text)
            stored = encode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise Misfit("the value is not JSON, or nested too deeply") from None
        if len(stored) > MAX_VALUE:
            raise Misfit(f"the value has {len(stored)} of at most {MAX_VALUE} bytes")
        if value is not None:
            self._check(value)
        return stored

    def shown(self, stored: bytes) -> object:
        """Return a stored value as users see it."""
        if not self._sensitive:
            return Raw(stored)
        value = msgspec.json.decode(stored)
        for path in self._sensitive:
            value = pointer.replaced(value, path, MASK)
        return value

    def _check(self, value: Any) -> None:
        try:
            self._validator.validate(value)
        except rules.BREACH as breach:
            place = pointer.written(self._public(breach.instance_path))
            rule = self._rule(breach.schema_path)
            raise Misfit(f'the value at "{place}" breaks the rule {rule} of its schema') from None
        except ValueError:
            raise Misfit("the value is nested too deeply") from None

    def _public(self, path: list[str | int]) -> list[str | int]:
        """Cut a path where the secret begins: even names of members may be part of it."""
        texts = tuple(map(str, path))
        return path[: min((len(one) for one in self._sensitive if texts[: len(one)] == one), default=len(path))]

    def _rule(self, path: list[str | int]) -> str:
        keyword = str(path[-1]) if path else "false"
        try:
            rule = encode({keyword: pointer.find(self._schema, tuple(map(str, path)))}).decode()
        except LookupError:
            return f'"{keyword}"'
        return rule if len(rule) <= _LONGEST_RULE else f'"{keyword}"'


def _sensitive_path(text: str) -> pointer.Path:
    try:
        return pointer.parse(text)
    except ValueError:
        raise rules.Unusable("a sensitive path is not a JSON pointer") from None
