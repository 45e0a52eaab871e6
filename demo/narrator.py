"""Tell the story on the terminal: chapters, commands with their output, claims that were checked."""

import shlex
import sys
import textwrap
from collections.abc import Callable, Sequence

from support.waiting import wait_until

INDENT = "    "


class Untrue(Exception):
    """A claim of the story does not hold."""


class Narrator:
    """Prints the story; `claim` and `await_claim` end it when it is not true."""

    def __init__(self) -> None:
        self._chapter = 0
        self.claims = 0
        # Bold text would be noise in a log file.
        self._bold, self._plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")

    def chapter(self, title: str) -> None:
        """Open a chapter."""
        self._chapter += 1
        self._print(f"\n{self._bold}{self._chapter}. {title}{self._plain}")

    def say(self, text: str) -> None:
        """Tell what happens, in a sentence or two."""
        self._print(textwrap.fill(text, width=110))

    def command(self, command: Sequence[str], output: str = "", *, note: str = "") -> None:
        """Show *command* as it would be typed, and what it printed."""
        self._print(f"{INDENT}{self._bold}$ {shlex.join(command)}{self._plain}{note and f'    # {note}'}")
        if output.strip():
            self._print(textwrap.indent(output.rstrip(), INDENT))

    def quote(self, text: str) -> None:
        """Show a line that something else printed, as it is."""
        self._print(f"{INDENT}{text}")

    def claim(self, holds: bool, what: str, *, otherwise: str = "") -> None:
        """State a fact that was checked.

        Raises:
            Untrue: It does not hold; *otherwise* says what is the case instead.
        """
        if not holds:
            raise Untrue(f"{what}: not so. {otherwise}")
        self.claims += 1
        self._print(f"{INDENT}✔ {what}")

    def await_claim(self, holds: Callable[[], bool], what: str, *, timeout: float = 60.0) -> None:
        """State a fact as soon as it holds; *timeout* in seconds.

        Raises:
            Untrue: It did not become true in time.
        """
        try:
            wait_until(holds, what=what, timeout=timeout, interval=0.2)
        except TimeoutError:
            raise Untrue(f"{what}: not so after {timeout:g} s") from None
        self.claim(True, what)

    def _print(self, text: str) -> None:
        print(text, flush=True)
