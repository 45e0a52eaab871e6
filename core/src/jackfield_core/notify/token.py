"""The token with which a notifier shows who it is. It appears in no log, and in no reason of the ledger."""

import os
from pathlib import Path

from jackfield_core import config
from jackfield_core.notify.answer import NoAnswer

HIDDEN = "[token]"


class Token:
    """A token out of a file that may be exchanged at any time, or out of the environment; or none."""

    def __init__(self, settings: config.Notifier) -> None:
        self._file: Path | None = settings.token_file
        self._variable = settings.token_env
        self._value = os.environ.get(settings.token_env, "") if settings.token_env else ""

    def read(self) -> str:
        """Return the token; empty without one.

        Raises:
            NoAnswer: There should be one, and there is none that a header can carry.
        """
        if self._file is not None:
            return _checked(_content(self._file), f"the file {self._file}")
        return _checked(self._value, f"the environment variable {self._variable}") if self._variable else ""


def _content(path: Path) -> str:
    try:
        return path.read_text().strip()
    except UnicodeDecodeError:
        return ""
    except OSError as error:
        raise NoAnswer("no_token", f"the token cannot be read: {error}") from None


def _checked(value: str, source: str) -> str:
    if not (value and value.isascii() and value.isprintable()):
        raise NoAnswer("no_token", f"{source} does not hold a token of printable characters")
    return value


def hidden(text: str, token: str) -> str:
    """Return *text* without the token, should a compute service have quoted it."""
    return text.replace(token, HIDDEN) if token else text
