"""Defects that a vendor puts into his own hooks."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import replace

from jackfield_sdk import (
    Action,
    BindContext,
    Bound,
    ChangeContext,
    DeviceConflict,
    Done,
    Infeasible,
    Interest,
    Kind,
    Line,
    MechanismDriver,
    NetworkContext,
    NextLevel,
    Owned,
    Phase,
    Rejected,
    Skip,
    Unreachable,
)
from jackfield_sdk.answers import PostcommitAnswer
from jackfield_sdk.capabilities import interests_in, overridden_hooks
from jackfield_sdk.examples.loopback import Fabric, Held, LoopbackDriver, LoopbackOptions


class ActsInPrecommit(LoopbackDriver):
    """Prepares the device while it judges."""

    async def _judge(self, kind: Kind, context: ChangeContext) -> None:
        if kind is Kind.NETWORK and context.action is Action.CREATE:
            self.fabric.write(kind, context)


class ActsInItsOnlyPrecommit(ActsInPrecommit):
    """Prepares the device while it judges creates, and judges nothing else."""

    def interests(self) -> Sequence[Interest]:
        judged = {Phase.PRECOMMIT: {Action.CREATE}, Phase.POSTCOMMIT: set(Action)}
        hooks = overridden_hooks(type(self), MechanismDriver)
        return interests_in((kind, action, phase) for kind, action, phase in hooks if action in judged[phase])


class JudgesByChance(LoopbackDriver):
    """Rejects every third port."""

    _asked = itertools.count(1)

    async def _judge(self, kind: Kind, context: ChangeContext) -> None:
        if kind is Kind.PORT and next(self._asked) % 3 == 0:
            raise Rejected("the moon is full")


class FailsOnRepetition(LoopbackDriver):
    """Takes a change that it made before for somebody else's."""

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        found = self.fabric.held(kind).get(context.current.id)
        if found is not None and found.revision == context.revision:
            raise DeviceConflict(f"{kind} {context.current.id} exists")
        return await super()._act(kind, context)


class Overwrites(LoopbackDriver):
    """Makes true whatever comes, in the order in which it comes."""

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        if context.action is not Action.DELETE:
            self.fabric.forget(kind, context.current.id)
        return await super()._act(kind, context)


class FailsToDeleteTheUnknown(LoopbackDriver):
    """Cannot delete what is not there."""

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        if context.action is Action.DELETE and context.current.id not in self.fabric.held(kind):
            raise Infeasible(f"there is no {kind} {context.current.id}")
        return await super()._act(kind, context)


class ForgetsDeletes(LoopbackDriver):
    """Calls a delete done, and leaves the subnet on the device."""

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        if kind is Kind.SUBNET and context.action is Action.DELETE:
            return None
        return await super()._act(kind, context)


class LeavesOrphans(LoopbackDriver):
    """Looks for what is to be deleted by its name, which nobody knows of an orphan."""

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        if context.action is Action.DELETE and not context.current.name:
            return None
        return await super()._act(kind, context)


class DiesOfSubnets(LoopbackDriver):
    """Ends, without a word, at the second change of a subnet."""

    _asked = itertools.count(1)

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        if kind is Kind.SUBNET and next(self._asked) == 2:
            os._exit(1)
        return await super()._act(kind, context)


class CannotLoad(LoopbackDriver):
    """Lacks what it needs to work."""

    async def start(self) -> None:
        raise Infeasible("there is no licence")


class LosesUpdates(LoopbackDriver):
    """Calls an update done, and does not make it, if the call before it was a delete."""

    _before = Action.CREATE

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        before, self._before = self._before, context.action
        if before is Action.DELETE and context.action is Action.UPDATE:
            return None
        return await super()._act(kind, context)


class RevisionTooHigh(LoopbackDriver):
    """Counts its own revisions."""

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        await super()._act(kind, context)
        return Done(revision=context.revision + 1)


class SameEpochForEver(LoopbackDriver):
    """Has its fabric in memory, and does not say that a new process has lost it."""

    def __init__(self, fabric: Fabric, options: LoopbackOptions) -> None:
        super().__init__(fabric, options)
        fabric.epochs = dict.fromkeys(fabric.epochs, "for ever")


class ActsInBind(LoopbackDriver):
    """Reserves a place for the port while it binds."""

    async def bind_port(self, context: BindContext) -> Bound | Skip:
        self.fabric.ports[context.port.id] = Held(0, context.port)
        return await super().bind_port(context)


class LeaksSecret(LoopbackDriver):
    """Tells the user which secret was wrong."""

    async def create_network_precommit(self, context: NetworkContext) -> None:
        secret = context.attributes.get("secret")
        if not isinstance(secret, str):
            raise Rejected(f"{secret} is no text", reason="BAD_SECRET")


class LogsSecret(LoopbackDriver):
    """Prints what it works with."""

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        print(f"{kind} {context.current.id}: {dict(context.attributes)}", flush=True)
        return await super()._act(kind, context)


class LeavesPortsOut(LoopbackDriver):
    """Does not list ports."""

    async def list_owned(self, kinds: frozenset[Kind]) -> AsyncIterator[Owned | Unreachable]:
        async for each in super().list_owned(kinds):
            if not isinstance(each, Owned) or each.kind is not Kind.PORT:
                yield each


class ListsTwice(LoopbackDriver):
    """Lists what it finds in two tables of one device."""

    async def list_owned(self, kinds: frozenset[Kind]) -> AsyncIterator[Owned | Unreachable]:
        async for each in super().list_owned(kinds):
            yield each
            if isinstance(each, Owned) and each.kind is Kind.SUBNET:
                yield each


class TouchesForeign(LoopbackDriver):
    """Sweeps everything away that it does not know when it deletes a network."""

    def __init__(self, fabric: Fabric, options: LoopbackOptions) -> None:
        super().__init__(fabric, options)
        fabric.networks["somebody-elses"] = Held(3, None)

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        if kind is Kind.NETWORK and context.action is Action.DELETE:
            self.fabric.networks.pop("somebody-elses", None)
        return await super()._act(kind, context)


class OverlooksHands(LoopbackDriver):
    """Lists the digest that it noted, whatever became of the thing beside it."""

    async def list_owned(self, kinds: frozenset[Kind]) -> AsyncIterator[Owned | Unreachable]:
        async for each in super().list_owned(kinds):
            yield replace(each, digest=self.fabric.mark(each.kind, each.id).digest) if isinstance(each, Owned) else each


class RepairsNothing(LoopbackDriver):
    """Takes a change for true if it noted its revision and digest."""

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        self.fabric.catch_up()
        found, mark = self.fabric.held(kind).get(context.current.id), self.fabric.mark(kind, context.current.id)
        if found is not None and (found.revision, mark.digest) == (context.revision, context.digest):
            return None
        return await super()._act(kind, context)


class ListsWhatItRemembers(LoopbackDriver):
    """Lists what it made, and does not look whether it is still there."""

    def __init__(self, fabric: Fabric, options: LoopbackOptions) -> None:
        super().__init__(fabric, options)
        self._made: dict[tuple[Kind, str], Owned] = {}

    async def _act(self, kind: Kind, context: ChangeContext) -> PostcommitAnswer:
        answer = await super()._act(kind, context)
        self._made.pop((kind, context.current.id), None)
        if context.action is not Action.DELETE:
            id, backend = context.current.id, self.fabric.name
            self._made[kind, id] = Owned(kind, id, context.revision, context.digest, backend)
        return answer

    async def list_owned(self, kinds: frozenset[Kind]) -> AsyncIterator[Owned | Unreachable]:
        for owned in self._made.values():
            if not kinds or owned.kind in kinds:
                yield owned


class BindsInTwoLevels(LoopbackDriver):
    """Carries a port to a VLAN of its own, and plugs it there."""

    max_levels = 2
    wanted = "vlan"

    async def bind_port(self, context: BindContext) -> Bound | NextLevel | Skip:
        if context.level == 0 and context.segments:
            return NextLevel(context.segments[0].id, self.wanted)
        return await super().bind_port(context)


class NamesNoType(BindsInTwoLevels):
    """Wants another level, and leaves open of which type."""

    wanted = ""


class ActsInDiff(LoopbackDriver):
    """Finds out what would be done by doing it."""

    async def diff(self, context: ChangeContext) -> Iterable[Line]:
        lines = await super().diff(context)
        if context.action is Action.CREATE:
            self.fabric.write(next(_kinds(context)), context)
        return lines


def _kinds(context: ChangeContext) -> Iterator[Kind]:
    return (kind for kind in Kind if type(context.current).__name__.lower() == kind)
