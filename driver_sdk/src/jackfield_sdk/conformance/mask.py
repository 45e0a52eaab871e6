"""What a report shows of a message, and what must not be found in one.

What is left of a message without its sensitive fields is searched for the sentinel: a value that
the suite puts into every such field, and that no answer may contain anywhere else.
"""

from __future__ import annotations

from google.protobuf import text_format
from google.protobuf.message import Message

from jackfield_sdk._redaction import masked_copy

# Characters of a message that a report shows.
_SHOWN = 900


def shown(message: Message) -> str:
    """Return a message as text for a report, masked and cut."""
    text = text_format.MessageToString(masked_copy(message), as_utf8=True).rstrip()
    text = text or "(empty)"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}\n… ({len(text) - _SHOWN} characters more)"


def leaks(message: Message, sentinel: str) -> bool:
    """Tell whether the sentinel stands anywhere but in a sensitive field."""
    return sentinel.encode() in masked_copy(message).SerializeToString()
