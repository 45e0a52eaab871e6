"""Taking resources out of their envelope: ``{"port": …}``, or ``{"ports": […]}`` for many.

The envelope is opened without a look inside, and what is inside is decoded
straight into its type; reasons are only looked for when that fails. Where there
are attributes of vendors, those are taken out before, as they are.
"""

from collections.abc import Collection, Mapping
from typing import Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from jackfield_core.api.faults import bad_request
from jackfield_core.api.schemas import diagnosis
from jackfield_core.api.schemas.diagnosis import Grammar

BodyT = TypeVar("BodyT", covariant=True)
T = TypeVar("T")

_encode = msgspec.json.Encoder().encode
_open = msgspec.json.Decoder(dict[str, Raw]).decode
_items: "msgspec.json.Decoder[list[Raw]]" = msgspec.json.Decoder(list[Raw])
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class VendorNames(NamedTuple):
    """Full names of vendor attributes: those that a request may set, and all that exist for its sender."""

    accepted: Collection[str] = ()
    known: Collection[str] = ()


NO_VENDORS = VendorNames()


class Opened(NamedTuple, Generic[BodyT]):
    """One resource out of an envelope, and the vendor attributes that came with it."""

    body: BodyT
    attributes: Mapping[str, Raw] = {}


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

    def one(self, raw: bytes, vendors: VendorNames = NO_VENDORS) -> Opened[BodyT]:
        """Read ``{"port": …}``.

        Raises:
            Invalid: The body is not that; the message names the attribute at fault.
        """
        return self._single(self._content(self._opened(raw)), raw, vendors)

    def one_or_many(self, raw: bytes, vendors: VendorNames = NO_VENDORS) -> tuple[list[Opened[BodyT]], bool]:
        """Read ``{"port": …}`` or ``{"ports": […]}``; return True with the latter.

        Raises:
            Invalid: The body is neither; the message names the attribute at fault.
        """
        opened = self._opened(raw)
        if self._plural not in opened:
            return [self._single(self._content(opened), raw, vendors)], False
        bodies = self._several(opened[self._plural], raw, vendors)
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

    def _several(self, content: Raw, raw: bytes, vendors: VendorNames) -> list[Opened[BodyT]]:
        if vendors.known:
            return [self._single(one, raw, vendors) for one in self._typed(_items, content, vendors)]
        return [Opened(body) for body in self._decode(self._many, content, raw, vendors)]

    def _single(self, content: Raw, raw: bytes, vendors: VendorNames) -> Opened[BodyT]:
        if not vendors.known:
            return Opened(self._decode(self._one, content, raw, vendors))
        rest, attributes = _parted(content, vendors.accepted)
        return Opened(self._decode(self._one, rest, raw, vendors), attributes)

    def _decode(self, decoder: "msgspec.json.Decoder[T]", content: Raw, raw: bytes, vendors: VendorNames) -> T:
        found = self._typed(decoder, content, vendors)
        # JSON can write NUL in one way only, so a look at the raw text is enough to rule it out.
        if b"\\u0000" in raw and (fault := diagnosis.nul_in(content)):
            raise fault
        return found

    def _typed(self, decoder: "msgspec.json.Decoder[T]", content: Raw, vendors: VendorNames) -> T:
        try:
            return decoder.decode(content)
        except _FAULTS as error:
            known = {*self._grammar.known, *vendors.known}
            raise diagnosis.explain(error, content, replace(self._grammar, known=known)) from None


def _parted(content: Raw, names: Collection[str]) -> tuple[Raw, Mapping[str, Raw]]:
    """Return *content* without the members called *names*, and those members."""
    try:
        members = _open(content)
    except _FAULTS:
        return content, {}  # decoding it will tell what it is
    given = {name: members.pop(name) for name in names if name in members}
    return (Raw(_encode(members)), given) if given else (content, given)
