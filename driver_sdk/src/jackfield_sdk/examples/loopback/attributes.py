"""The attributes of the loopback driver: one to play with, one that nobody is shown, one it sets itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield_sdk.attributes import Attribute
from jackfield_sdk.resources import Kind, Masked, Port

COLOUR = Attribute(Kind.NETWORK, "colour", {"type": "string", "enum": ["red", "green", "blue"]})
SECRET = Attribute(Kind.NETWORK, "secret", {"type": "string", "maxLength": 255}, sensitive_paths=("",))
RACK = Attribute(Kind.PORT, "rack", {"type": "string", "maxLength": 255}, read_only=True)

ATTRIBUTES = (COLOUR, SECRET, RACK)

_SENSITIVE = {attribute.name for attribute in ATTRIBUTES if attribute.sensitive_paths}


def presentable(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out what has no place in a file."""
    return Masked({name: value for name, value in attributes.items() if name not in _SENSITIVE})


def news_of(port: Port, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a port that the core does not know yet: in which rack its host is."""
    rack = f"rack of {port.binding.host}" if port.binding.host else None
    return {} if known.get(RACK.name) == rack else {RACK.name: rack}
