"""How a hook is called: on the event loop if it is `async def`, otherwise in a pool of threads.

Vendor libraries block. The pool is bounded so that a device that hangs costs its threads and no
more: handshake, health and the hooks that do not block are answered meanwhile.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jackfield_sdk._servicer.threads import Threads
from jackfield_sdk.capabilities import Phase, hook_name
from jackfield_sdk.context import Action
from jackfield_sdk.driver import MechanismDriver
from jackfield_sdk.resources import Kind


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook of a driver: its name, what to call, and where."""

    name: str
    function: Callable[..., Any]
    on_loop: bool


class Hooks:
    """The hooks that a driver overrides, found once at start."""

    def __init__(self, driver: MechanismDriver, threads: int) -> None:
        """Call the hooks of `driver`, with at most `threads` of them blocking."""
        self._driver = driver
        self._threads = Threads(threads, f"{driver.name}-hook")

    def find(self, name: str) -> Hook | None:
        """Return the hook, or None if the driver does not override it."""
        if getattr(type(self._driver), name) is getattr(MechanismDriver, name):
            return None
        function = getattr(self._driver, name)
        return Hook(name, function, inspect.iscoroutinefunction(function))

    def of_phase(self, phase: Phase) -> dict[tuple[Kind, Action], Hook]:
        """Return all hooks of a phase."""
        found = {(kind, action): self.find(hook_name(kind, action, phase)) for kind in Kind for action in Action}
        return {key: hook for key, hook in found.items() if hook is not None}

    async def call(self, hook: Hook, argument: object) -> Any:
        """Call a hook and wait for its answer."""
        if hook.on_loop:
            return await hook.function(argument)
        answer = await self.in_thread(hook.function, argument)
        # A plain function may still return an awaitable, as a wrapped hook does.
        return await answer if inspect.isawaitable(answer) else answer

    async def in_thread(self, function: Callable[..., Any], *arguments: object) -> Any:
        """Call a blocking function in the pool.

        If the caller gives up, what has not begun never begins. A thread at work cannot be
        stopped, so this still waits for it: whoever holds the resource's lane keeps it until the
        device is left alone.
        """
        work = self._threads.submit(function, *arguments)
        answer = asyncio.wrap_future(work)
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            if not work.cancel():
                await asyncio.wait([answer])
            raise

    def close(self) -> None:
        """Start nothing more; threads that hang do not keep the process from ending."""
        self._threads.close()
