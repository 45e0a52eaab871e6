"""A command whose module is imported when it is called.

Help shows it with the line that it was given here. Whoever asks for more, help
on the command itself included, gets the real one.
"""

import gc
from importlib import import_module
from types import ModuleType
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
        command = typer.main.get_command(_imported(self._module).commands)
        command.name = self.name
        return command.make_context(*arguments, **options)


def _imported(name: str) -> ModuleType:
    """Import a module without looking for garbage in between: what modules make stays, and there is much of it.

    A seventh of the CPU of a start would go into that.
    """
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.enable()
