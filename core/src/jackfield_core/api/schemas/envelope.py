"""Taking resources out of their envelope: ``{"port": …}``, or ``{"ports": […]}`` for many.

The envelope is opened without a look inside, and what is inside is decoded
straight into its type. Reasons are only looked for when that fails.
"""

from collections.abc import Collection
from typing import Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

from jackfield_core.api.faults import bad_request
from jackfield_core.api.schemas import diagnosis
from jackfield_core.api.schemas.diagnosis import Grammar

BodyT = TypeVar("BodyT", covariant=True)
T = TypeVar("T")

_open = msgspec.json.Decoder(dict[str, Raw]).decode
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Envelope(Generic[BodyT]):
    """Reads the bodies of one kind of request.

    Args:
        name: Name of the resource on the wire, such as ``port``.
        body: Type of what is inside.
        known: All attributes of the resource, to tell strange names from those that may not be set.
        is_creation: Whether the requests create resources; otherwise they change them.
    """

    def __init__(self, name: str, body: type[BodyT], known: Collection[str], *, is_creation: bool = False) -> None:
        assert issubclass(body, Struct)
        self._name = name
        self._plural = f"{name}s"
        accepted = {field.encode_name: field.required for field in msgspec.structs.fields(body)}
        self._grammar = Grammar(name, accepted, known, is_creation)
        self._one = msgspec.json.Decoder(body)
        self._many = msgspec.json.Decoder(list[body])  # type: ignore[valid-type]

    def one(self, raw: bytes) -> BodyT:
        """Read ``{"port": …}``.

        Raises:
            Invalid: The body is not that; the message names the attribute at fault.
        """
        return self._decode(self._one, self._content(self._opened(raw)), raw)

    def one_or_many(self, raw: bytes) -> tuple[list[BodyT], bool]:
        """Read ``{"port": …}`` or ``{"ports": […]}``; return True with the latter.

        Raises:
            Invalid: The body is neither; the message names the attribute at fault.
        """
        opened = self._opened(raw)
        if self._plural not in opened:
            return [self._decode(self._one, self._content(opened), raw)], False
        bodies = self._decode(self._many, opened[self._plural], raw)
        if not bodies:
            raise bad_request("Resources required")
        return bodies, True

    def _opened(self, raw: bytes) -> dict[str, Raw]:
        if not raw:
            raise bad_request("Resource body required")
        try:
            return _open(raw)
        except _FAULTS as error:
            raise diagnosis.unreadable(error) from None

    def _content(self, opened: dict[str, Raw]) -> Raw:
        content = opened.get(self._name)
        if content is not None:
            return content
        if self._plural in opened:
            raise bad_request("Bulk operation not supported")
        raise bad_request(f"Unable to find '{self._name}' in request body")

    def _decode(self, decoder: "msgspec.json.Decoder[T]", content: Raw, raw: bytes) -> T:
        try:
            found = decoder.decode(content)
        except _FAULTS as error:
            raise diagnosis.explain(error, content, self._grammar) from None
        # JSON can write NUL in one way only, so a look at the raw text is enough to rule it out.
        if b"\\u0000" in raw and (fault := diagnosis.nul_in(content)):
            raise fault
        return found
