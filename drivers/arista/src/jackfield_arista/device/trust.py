"""Which host key a switch must show, and which ones it is asked for.

A switch is known by the key that the inventory pins, or by those of a known_hosts file; without either
it is unknown, and nobody logs in to it. Only kinds of keys that we know of it are negotiated, so that a
switch with several keys shows one that can be compared. For RSA keys that means signatures with SHA-2
(RFC 8332): OpenSSH since 8.8 makes no others, and the name of the key alone would ask for SHA-1.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko
from paramiko.hostkeys import InvalidHostKey

from jackfield_arista.device.errors import HostKeyUnknown

_SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


@dataclass(frozen=True, slots=True)
class Trust:
    """What a switch is known by. `host_key` is a public key as in a known_hosts file (`ssh-ed25519 AAAA…`).

    A pinned key excludes every other. `known_hosts` is read at each connect. `anyone` is for labs only:
    whoever answers is believed.
    """

    host_key: str | None = None
    known_hosts: Path | None = None
    anyone: bool = False

    def keys(self, switch: str, address: str, port: int) -> KnownKeys:
        """Return the keys that this address may show. HostKeyUnknown if what should name them does not."""
        if self.host_key:
            return KnownKeys([_key(switch, self.host_key)])
        if self.known_hosts is None:
            return KnownKeys([])
        try:
            known = paramiko.HostKeys(str(self.known_hosts))
        except OSError as error:
            raise HostKeyUnknown(switch, f"{self.known_hosts} cannot be read: {error.strerror}") from error
        except (InvalidHostKey, UnicodeDecodeError, paramiko.SSHException) as error:
            raise HostKeyUnknown(switch, f"{self.known_hosts} has a line that is no host key") from error
        names = (address, f"[{address}]:{port}")
        return KnownKeys([key for name in names for key in (known.lookup(name) or {}).values()])


class KnownKeys:
    """The keys of one switch, in the shape in which ncclient asks for them."""

    def __init__(self, keys: Iterable[paramiko.PKey]) -> None:
        """Know these keys."""
        self._keys = tuple(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def lookup(self, _host: str) -> dict[str, paramiko.PKey]:
        """Return the keys by the names of the signatures to negotiate."""
        return {name: key for key in self._keys for name in _SIGNATURES.get(key.get_name(), (key.get_name(),))}

    def check(self, _host: str, key: paramiko.PKey) -> bool:
        """Return whether a key is one of them."""
        return any(key.asbytes() == known.asbytes() for known in self._keys)


def fingerprint(key: Any) -> str:
    """Return a key's fingerprint as `ssh-keygen -l` prints it."""
    digest = hashlib.sha256(key.asbytes()).digest()
    return f"{key.get_name()} SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _key(switch: str, text: str) -> paramiko.PKey:
    words = text.split()
    encoded = words[1] if len(words) > 1 else words[0]
    try:
        data = base64.b64decode(encoded, validate=True)
        name = paramiko.Message(data).get_text()
        return paramiko.PKey.from_type_string(name, data)
    except (ValueError, IndexError, paramiko.SSHException, paramiko.UnknownKeyType) as error:
        raise HostKeyUnknown(switch, "the host key that is pinned for it is not a public key") from error
