"""The ``openstack`` client, unmodified, as a user without an identity service runs it.

With the authentication type ``none`` the client needs nothing but the endpoint: it reads the
versions at its root and goes on from there. Its tables are read back for what a test needs,
so what a demo shows is what it checks.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from e2e.lab.commands import CommandFailed
from e2e.lab.control_plane import program

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one run of the client printed."""

    command: tuple[str, ...]
    status: int
    output: str
    """Standard output, then standard error."""

    @property
    def rows(self) -> list[Row]:
        """The table of a list command: one mapping of column to text per row."""
        lines = [_cells(line) for line in self.output.splitlines() if line.startswith("|")]
        return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]

    @property
    def fields(self) -> Row:
        """The table of a create or show command: field to text."""
        return {row["Field"]: row["Value"] for row in self.rows}


class Client:
    """Runs the client against the API at one endpoint."""

    def __init__(self, endpoint: str) -> None:
        self.settings = {"OS_AUTH_TYPE": "none", "OS_ENDPOINT": endpoint}

    def run(self, *arguments: str) -> Answer:
        """Run one command to its end, whatever its status."""
        command = ["openstack", *arguments]
        done = subprocess.run(
            [program("openstack"), *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=180,
            env=_without_other_clouds(os.environ) | self.settings,
        )
        return Answer(tuple(command), done.returncode, done.stdout + done.stderr)

    def must(self, *arguments: str) -> Answer:
        """Run one command that has to succeed.

        Raises:
            CommandFailed: It did not; the message has its output.
        """
        answer = self.run(*arguments)
        if answer.status:
            raise CommandFailed(f"$ {' '.join(answer.command)}\nstatus {answer.status}\n{answer.output}")
        return answer


def columns(*names: str) -> list[str]:
    """Return the options that cut the client's table down to *names*."""
    return [part for name in names for part in ("-c", name)]


def _without_other_clouds(environment: Mapping[str, str]) -> dict[str, str]:
    """Drop settings for the user's own clouds and proxies: this endpoint is on the loopback."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith("OS_") and not name.lower().endswith("_proxy")
    }


def _cells(line: str) -> Sequence[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
