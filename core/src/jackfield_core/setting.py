"""What sections of settings are made of: the section itself, durations, addresses, and files for TLS."""

from dataclasses import dataclass
from pathlib import Path
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


def is_local(address: str) -> bool:
    """Return whether nobody on another host can reach *address*: a Unix socket, or loopback."""
    return address.startswith(("unix:", "127.", "localhost:", "[::1]"))


Seconds = Annotated[float, Field(gt=0)]
Address = Annotated[str, AfterValidator(_address)]


class Section(BaseModel):
    """Base of all sections: frozen, and an unknown key is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


@dataclass(frozen=True)
class Tls:
    """Files in PEM format: what one side knows the other one by, and what it proves itself with.

    They are read when a connection is made, so files that are replaced need no
    restart. The names are those of the settings, without ``tls_``.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str | None = None
    is_server: bool = False
    """True for the side that is dialled: certificates may be for one side only."""


def expect_pair(certificate: Path | None, key: Path | None) -> None:
    """Raise ValueError if there is a certificate without its key, or a key without its certificate."""
    if (certificate is None) != (key is None):
        raise ValueError("tls_certificate and tls_key belong together: set both or neither")
