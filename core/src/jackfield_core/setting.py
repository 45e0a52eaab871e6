"""What sections of settings are made of: the section itself, durations, and addresses to listen at or to call."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

LONGEST_SOCKET_PATH = 107
"""Bytes that Linux takes in the path of a Unix socket (unix(7))."""


def _address(value: str) -> str:
    """Return *value* if it is ``unix:///path``, or address and port."""
    if value.startswith("unix://"):
        path = value.removeprefix("unix://")
        if not path.startswith("/"):
            raise ValueError(f'"{value}" does not name a path from the root, such as "unix:///run/jackfield/x.sock"')
        if len(path.encode()) > LONGEST_SOCKET_PATH:
            raise ValueError(f'"{path}" is longer than the {LONGEST_SOCKET_PATH} bytes that the path of a socket has')
        return value
    host, _, port = value.rpartition(":")
    is_host = host and "/" not in host and (":" not in host or (host.startswith("[") and host.endswith("]")))
    if not is_host or not (port.isascii() and port.isdecimal()) or int(port) > 65535:
        raise ValueError(f'"{value}" is neither "unix:///path" nor address and port such as "127.0.0.1:9696"')
    return value


Seconds = Annotated[float, Field(gt=0)]
Address = Annotated[str, AfterValidator(_address)]


class Section(BaseModel):
    """Base of all sections: frozen, and an unknown key is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
