"""Defects that show in the life of a resource: as it turns, and when the driver or hands come between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

from jackfield_sdk import Action, ChangeContext, Infeasible, Kind, Line, Owned, Port, Unreachable
from jackfield_sdk.answers import PostcommitAnswer
from jackfield_sdk.examples.loopback import LoopbackDriver


class KeepsOldLevels(LoopbackDriver):
    """Wires a port where it was bound first, and never looks at its levels again."""

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        found, port = self.fabric.held(kind).get(context.current.id), context.current
        if isinstance(port, Port) and found is not None and context.action is Action.UPDATE:
            binding = replace(port.binding, levels=found.value.binding.levels)
            context = replace(context, current=replace(port, binding=binding))
        return await super()._act(kind, context)


class WantsOnlyAscii(LoopbackDriver):
    """Writes names into a configuration that has no other letters."""

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        if not context.current.name.isascii():
            raise Infeasible(f"the name of {kind} {context.current.id} cannot be written")
        return await super()._act(kind, context)


class NeedsTheOriginal(LoopbackDriver):
    """Works out what to change from what was acknowledged before."""

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        if context.action is Action.UPDATE and context.original is None:
            raise Infeasible(f"nobody knows what {kind} {context.current.id} was")
        return await super()._act(kind, context)


class ActsLater(LoopbackDriver):
    """Calls a change done, and makes it when somebody looks."""

    async def start(self) -> None:
        await super().start()
        self._put_off: list[tuple[Kind, ChangeContext]] = []

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        self._put_off.append((kind, context))
        return None

    async def list_owned(self, kinds: frozenset[Kind]) -> AsyncIterator[Owned | Unreachable]:
        await self._catch_up()
        async for each in super().list_owned(kinds):
            yield each

    async def diff(self, context: ChangeContext) -> Iterable[Line]:
        await self._catch_up()
        return await super().diff(context)

    async def _catch_up(self) -> None:
        while self._put_off:
            await super()._act(*self._put_off.pop(0))


class BelievesItIsThere(LoopbackDriver):
    """Takes what it has to update for present, and changes nothing of what is not."""

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        self.fabric.catch_up()
        if context.action is Action.UPDATE and context.current.id not in self.fabric.held(kind):
            return None
        return await super()._act(kind, context)


class TellsOfNoDelete(LoopbackDriver):
    """Has a dry run for what it makes, and none for what it removes."""

    async def diff(self, context: ChangeContext) -> Iterable[Line]:
        return [] if context.action is Action.DELETE else await super().diff(context)


class CountsInFourBytes(LoopbackDriver):
    """Keeps the revision in a register of the switch."""

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        if context.revision >= 1 << 32:
            raise Infeasible(f"revision {context.revision} does not fit")
        return await super()._act(kind, context)


class LosesTheEndOfAPage(LoopbackDriver):
    """Begins each page of forty one too late."""

    async def list_owned(self, kinds: frozenset[Kind]) -> AsyncIterator[Owned | Unreachable]:
        number = 0
        async for each in super().list_owned(kinds):
            number += 1
            if number % 40:
                yield each
