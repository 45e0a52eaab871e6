"""What may be written of a message, and of an exception that was raised over it.

Fields that may hold a secret carry the option `(jackfield.driver.v1.sensitive)`, so they are found
by a walk over the descriptor and a new one needs no code here. A message is logged with such
fields masked. An exception is logged with its trace, and whatever its text quotes of those fields
is masked as well: a vendor's library likes to quote the password that was wrong.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator, MutableMapping
from typing import Any, TypeVar

from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from jackfield.driver.v1 import sensitive_pb2

_MASK = "***"

# A shorter text is a part of too many harmless words, and too short for a secret.
_SHORTEST = 4

_M = TypeVar("_M", bound=Message)


def masked_copy(message: _M) -> _M:
    """Return a copy without the values of sensitive fields."""
    copy = type(message)()
    copy.CopyFrom(message)
    for _, field, owner in _sensitive(copy):
        _blank(owner, field)
    return copy


def masked(message: Message) -> str:
    """Write a message on one line, without what is sensitive."""
    return text_format.MessageToString(masked_copy(message), as_one_line=True, as_utf8=True)


def trace_of(error: BaseException, message: Message) -> str:
    """Write the trace of an exception, without what it quotes of the sensitive fields of `message`."""
    text = "".join(traceback.format_exception(error))
    for secret in sorted(_secrets_in(message), key=len, reverse=True):
        text = text.replace(secret, _MASK)
    return text.rstrip()


def mask_messages(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask every message in a log line; a processor of structlog."""
    for name, value in event.items():
        if isinstance(value, Message):
            event[name] = masked(value)
    return event


def _sensitive(message: Message) -> Iterator[tuple[Any, FieldDescriptor, Message]]:
    """Walk through the sensitive fields that are set: value, field, and the message it is in."""
    for field, value in message.ListFields():
        if field.GetOptions().Extensions[sensitive_pb2.sensitive]:
            yield value, field, message
        elif field.type == FieldDescriptor.TYPE_MESSAGE and not is_map(field):
            for each in value if field.is_repeated else [value]:
                yield from _sensitive(each)


def is_map(field: FieldDescriptor) -> bool:
    """Tell whether a field is a map, whose values have descriptors of their own."""
    entry = field.message_type
    return entry is not None and bool(entry.GetOptions().map_entry)


def _blank(message: Any, field: FieldDescriptor) -> None:
    if is_map(field):
        values = getattr(message, field.name)
        for key in list(values):
            values[key] = _MASK.encode()
    else:
        setattr(message, field.name, _MASK if field.type == FieldDescriptor.TYPE_STRING else _MASK.encode())


def _secrets_in(message: Message) -> set[str]:
    """Collect the texts of all sensitive fields, in every spelling that a trace may quote them in."""
    texts: set[str] = set()
    for value, field, _ in _sensitive(message):
        for each in value.values() if is_map(field) else [value]:
            texts.update(_texts_in(each))
    spellings = (spelling for text in texts for spelling in (text, repr(text)[1:-1], json.dumps(text)[1:-1]))
    return {spelling for spelling in spellings if len(spelling) >= _SHORTEST}


def _texts_in(value: bytes | str) -> Iterator[str]:
    text = value if isinstance(value, str) else value.decode(errors="replace")
    yield text
    if isinstance(value, bytes):
        yield repr(value)[2:-1]
    try:
        yield from _leaves(json.loads(text))
    except ValueError:
        return


def _leaves(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for each in value.values():
                yield from _leaves(each)
        case list():
            for each in value:
                yield from _leaves(each)
        case str() | int() | float():
            yield str(value)
