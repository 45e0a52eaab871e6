"""What may be shown of a message, and what must not be found in one.

Fields marked `(jackfield.driver.v1.sensitive)` are found by a walk over the descriptor and shown as
"***". What is left is searched for the sentinel: a value that the suite puts into every such field,
and that no answer may contain anywhere else.
"""

from __future__ import annotations

from typing import Any, TypeVar

from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from jackfield.driver.v1 import sensitive_pb2

_MASK = "***"
# Characters of a message that a report shows.
_SHOWN = 900

_M = TypeVar("_M", bound=Message)


def masked(message: _M) -> _M:
    """Return a copy without the values of sensitive fields."""
    copy = type(message)()
    copy.CopyFrom(message)
    _mask(copy)
    return copy


def shown(message: Message) -> str:
    """Return a message as text for a report, masked and cut."""
    text = text_format.MessageToString(masked(message), as_utf8=True).rstrip()
    text = text or "(empty)"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}\n… ({len(text) - _SHOWN} characters more)"


def leaks(message: Message, sentinel: str) -> bool:
    """Tell whether the sentinel stands anywhere but in a sensitive field."""
    return sentinel.encode() in masked(message).SerializeToString()


def _mask(message: Any) -> None:
    for field, value in message.ListFields():
        if field.GetOptions().Extensions[sensitive_pb2.sensitive]:
            _blank(message, field)
        elif is_map(field):
            continue
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            for each in value if field.is_repeated else [value]:
                _mask(each)


def _blank(message: Any, field: FieldDescriptor) -> None:
    if is_map(field):
        entries = getattr(message, field.name)
        for key in list(entries):
            entries[key] = _MASK.encode()
    else:
        setattr(message, field.name, _MASK if field.type == FieldDescriptor.TYPE_STRING else _MASK.encode())


def is_map(field: FieldDescriptor) -> bool:
    """Tell whether a field is a map, whose values have descriptors of their own."""
    entry = field.message_type
    return entry is not None and entry.GetOptions().map_entry
