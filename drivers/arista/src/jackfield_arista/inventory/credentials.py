"""Who we are to a switch: names of secrets in the inventory, secrets only when somebody connects.

The inventory holds references: `file:/run/secrets/leafs`, `env:LEAF_PASSWORD`, the path of a private
key. `Credential.read` follows them anew at every connect, so a secret that was rotated is used from
the next connect on, without a restart, and is held for as long as a connect takes. What was read
never shows in a repr; an error names the credential and the place, never what is there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

_LARGEST = 16_384


class CredentialUnreadable(Exception):
    """A secret cannot be had from where the inventory says it is; `reason` is for the operator."""

    def __init__(self, reason: str) -> None:
        """Say which credential, which place, and what is wrong there."""
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one connect logs in with. `key_file` is a private key, and `passphrase` opens it."""

    username: str
    password: str | None = field(default=None, repr=False)
    key_file: Path | None = None
    passphrase: str | None = field(default=None, repr=False)


def _reference(value: SecretStr) -> SecretStr:
    # What is written here may be the secret itself, by mistake. So it is not quoted, and pydantic,
    # which quotes what it was given, gets it in a wrapper.
    scheme, _, where = value.get_secret_value().partition(":")
    if scheme == "file" and Path(where).is_absolute():
        return value
    if scheme == "env" and where.isidentifier():
        return value
    raise ValueError("must name where the secret is, file:/absolute/path or env:VARIABLE, and not be the secret")


Reference = Annotated[SecretStr, AfterValidator(_reference)]


class Credential(BaseModel):
    """A credential of the inventory: a user, and where to find what proves that we are."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str
    username: str = Field(min_length=1, max_length=64)
    password: Reference | None = None
    key_file: Path | None = None
    passphrase: Reference | None = None

    @model_validator(mode="after")
    def _proves_something(self) -> Self:
        if self.password is None and self.key_file is None:
            raise ValueError("needs password (file:… or env:…) or key_file")
        if self.passphrase is not None and self.key_file is None:
            raise ValueError("passphrase opens a key_file, and there is none")
        if self.key_file is not None and not self.key_file.is_absolute():
            raise ValueError("key_file must be an absolute path")
        return self

    def read(self) -> Credentials:
        """Follow the references now. CredentialUnreadable names the one that leads nowhere."""
        return Credentials(
            username=self.username,
            password=self._secret("password", self.password),
            key_file=self._key(),
            passphrase=self._secret("passphrase", self.passphrase),
        )

    def _secret(self, field: str, reference: SecretStr | None) -> str | None:
        if reference is None:
            return None
        scheme, _, where = reference.get_secret_value().partition(":")
        secret = self._file(field, Path(where)) if scheme == "file" else os.environ.get(where, "")
        if not secret:
            raise CredentialUnreadable(f"credential {self.name}: {field}: {scheme}:{where} is empty or not set")
        return secret

    def _file(self, field: str, path: Path) -> str:
        try:
            with path.open("rb") as file:
                # Editors and `echo` end a file with a line end that is no part of the secret.
                return file.read(_LARGEST).decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise CredentialUnreadable(f"credential {self.name}: {field}: {path} is not text") from None
        except OSError as error:
            raise CredentialUnreadable(f"credential {self.name}: {field}: {path}: {error.strerror}") from error

    def _key(self) -> Path | None:
        if self.key_file is not None:
            self._file("key_file", self.key_file)
        return self.key_file
