"""A driver and an agent that remember how they were called, and answer as a test tells them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jackfield_sdk.answers import BindAnswer
from jackfield_sdk.capabilities import Phase, StateVersions, hook_name
from jackfield_sdk.context import Action, BindContext
from jackfield_sdk.driver import MechanismDriver
from jackfield_sdk.node import NodeAgent
from jackfield_sdk.reporter import Reporter
from jackfield_sdk.resources import Kind
from jackfield_sdk.views import Facts, NetworkView, PortView, ViewKind


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a hook: its name and what it was given."""

    hook: str
    argument: Any


class Script:
    """What the next calls answer, by the name of the hook; after the last one, nothing special.

    An exception is raised, a callable is called with the argument (and awaited if it is async),
    anything else is the answer.
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._answers: dict[str, list[Any]] = defaultdict(list)

    def answer(self, hook: str, *answers: Any) -> None:
        """Give these answers to the next calls of a hook."""
        self._answers[hook] += answers

    def called(self, hook: str) -> list[Any]:
        """Return what a hook was given, call by call."""
        return [call.argument for call in self.calls if call.hook == hook]

    async def play(self, hook: str, argument: Any) -> Any:
        """Record a call and answer it."""
        self.calls.append(Call(hook, argument))
        answer = self._answers[hook].pop(0) if self._answers[hook] else None
        if callable(answer) and not isinstance(answer, BaseException):
            answer = answer(argument)
            if asyncio.iscoroutine(answer):
                answer = await answer
        if isinstance(answer, BaseException):
            raise answer
        return answer


class RecordingDriver(MechanismDriver):
    """A driver that wants everything, records it in `script`, and answers what a test scripted.

    It keeps states of version 1; `attributes` are what a test sets before the driver is served.
    """

    name = "recording"
    version = "1"
    state_versions = StateVersions(min_readable=1, writes=1)

    def __init__(self) -> None:
        self.script = Script()

    async def bind_port(self, context: BindContext) -> BindAnswer:
        """Answer as scripted."""
        answer: BindAnswer = await self.script.play("bind_port", context)
        return answer


def _recording(name: str) -> Callable[[RecordingDriver, Any], Any]:
    async def hook(self: RecordingDriver, context: Any) -> Any:
        return await self.script.play(name, context)

    hook.__name__ = name
    return hook


for _kind in Kind:
    for _action in Action:
        for _phase in Phase:
            _name = hook_name(_kind, _action, _phase)
            setattr(RecordingDriver, _name, _recording(_name))


class RecordingAgent(NodeAgent):
    """An agent that keeps its views in two dicts, records its calls in `script`, and answers as scripted."""

    agent_type = "Recording agent"
    binary = "recording-agent"
    driver = "recording"
    version = "1"

    def __init__(self, adopted: dict[tuple[ViewKind, str], str] | None = None) -> None:
        self.script = Script()
        self.networks: dict[str, NetworkView] = {}
        self.ports: dict[str, PortView] = {}
        self.reporter = Reporter()
        self._adopted = adopted or {}

    async def start(self, reporter: Reporter) -> None:
        self.reporter = reporter
        await self.script.play("start", None)

    async def stop(self) -> None:
        await self.script.play("stop", None)

    def facts(self) -> Facts:
        return Facts({"leaf1": "br-ex"}, ("vxlan",), "198.51.100.1", ("ovs",), {"bridge": "br-int"})

    def known(self) -> dict[tuple[ViewKind, str], str]:
        return self._adopted

    async def apply_network(self, view: NetworkView) -> None:
        await self.script.play("apply_network", view)
        self.networks[view.id] = view

    async def apply_port(self, view: PortView) -> None:
        await self.script.play("apply_port", view)
        self.ports[view.id] = view

    async def remove_port(self, port_id: str) -> None:
        await self.script.play("remove_port", port_id)
        self.ports.pop(port_id, None)

    async def remove_network(self, network_id: str) -> None:
        await self.script.play("remove_network", network_id)
        self.networks.pop(network_id, None)

    async def in_sync(self) -> None:
        await self.script.play("in_sync", None)
