"""Run a command to its end, with an error that tells what it said."""

import subprocess
from collections.abc import Sequence


class CommandFailed(RuntimeError):
    """A command ended with a status other than zero."""


def run(command: Sequence[str], *, timeout: float = 120.0) -> str:
    """Run *command* (no shell) and return its standard output; *timeout* in seconds.

    Raises:
        CommandFailed: The status was not zero, or the time was up; the message has the output.

    """
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as late:
        raise CommandFailed(f"$ {' '.join(command)}\nno end after {timeout:g} s") from late
    if done.returncode:
        raise CommandFailed(f"$ {' '.join(command)}\nstatus {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout
