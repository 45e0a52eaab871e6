"""A command whose module is imported when it is called.

Help shows it with the line that it was given here. Whoever asks for more, help
on the command itself included, gets the real one.
"""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand


class Deferred(TyperCommand):
    """The command or group *name*: ``commands`` of the module in this package that is named like it."""

    def __init__(self, name: str, help: str) -> None:
        super().__init__(name, help=help)
        self._module = f"{__package__}.{name.replace('-', '_')}"

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Import the command, and go on with it: what is done in its context is its own work."""
        command = typer.main.get_command(import_module(self._module).commands)
        command.name = self.name
        return command.make_context(*arguments, **options)
