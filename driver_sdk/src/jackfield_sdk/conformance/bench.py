"""The bench: one loop, one model core, and the order of things around every case.

Before a case it looks whether the driver has what the case needs. After it, it deletes what the case
made, so that cases do not lean on each other. What a case left behind is not swept under the rug:
the listing is compared with the model after every group.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc.aio

from jackfield_sdk.conformance.core import Core, Options
from jackfield_sdk.conformance.facts import ACTION_NUMBERS, FEATURES
from jackfield_sdk.conformance.foreign import output_of
from jackfield_sdk.conformance.model import Resource
from jackfield_sdk.conformance.rules import KINDS, Rule
from jackfield_sdk.conformance.supervisor import START_WITHIN, CommandFailed, Supervisor
from jackfield_sdk.conformance.transcript import Refusal
from jackfield_sdk.conformance.verdict import Broken, NotJudged
from jackfield_sdk.conformance.watcher import Watcher

# Seconds that a driver may take to answer which somebody else has started already.
_ANSWER_WITHIN = 5.0
# Seconds to delete what a case has left.
_CLEAR_WITHIN = 30.0


class Unreachable(Exception):
    """Nobody answers a handshake at the endpoint: why."""


class Bench:
    """Runs cases against one driver."""

    def __init__(self, options: Options, supervisor: Supervisor | None) -> None:
        """Dial the driver; Unreachable if it does not introduce itself."""
        self.loop = asyncio.new_event_loop()
        self.supervisor = supervisor
        # Set once the driver is gone for good: no case can be judged any more.
        self._death: Broken | None = None
        self.core = self.loop.run_until_complete(self._open(options))

    def judge(
        self, rule: Rule, function: Callable[..., Awaitable[None]], arguments: dict[str, Any], within: float
    ) -> None:
        """Run one case; `Broken` if the rule is, `NotJudged` if the driver lacks what it needs."""
        core = self.core
        if self._death is not None:
            raise self._death
        core.transcript.clear()
        core.scope.clear()
        for need in rule.needs:
            self._require(need, arguments.get("kind"))
        before = list(core.made)
        try:
            self.loop.run_until_complete(self._carry_out(function(core, **arguments), within))
        except Broken as broken:
            broken.exchanges = core.transcript.exchanges()
            self.loop.run_until_complete(self._look_after(rule))
            raise
        finally:
            self.loop.run_until_complete(self._clear([each for each in core.made if each not in before]))

    def close(self) -> None:
        """Delete everything that was made, and hang up."""
        self.core.residents = []
        self.loop.run_until_complete(self._clear(self.core.made))
        self.loop.run_until_complete(self._hang_up())
        self.loop.close()

    async def _carry_out(self, case: Awaitable[None], within: float) -> None:
        try:
            await asyncio.wait_for(case, within)
        except TimeoutError:
            raise Broken(f"the case had no end after {within:g} s", "an answer to every call") from None
        except grpc.aio.AioRpcError as error:
            raise Broken(f"a call failed with {error.code().name}: {error.details()}", "an answer") from error

    async def _look_after(self, rule: Rule) -> None:
        """Start a driver again that does not answer after a failure; without the means, give the rest up."""
        core = self.core
        if not isinstance(await core.wire.attempt("Handshake", core.greeting()), Refusal):
            return
        with contextlib.suppress(Broken, CommandFailed):
            if self.supervisor is not None and self.supervisor.can_stop:
                await self.supervisor.start()
                await core.introduce_again()
                return
        self._death = Broken("the driver does not answer since then", "a driver that goes on", rule=rule.id)

    async def _open(self, options: Options) -> Core:
        core = Core(options, self.supervisor)
        end = self.loop.time() + (START_WITHIN if self.supervisor else _ANSWER_WITHIN)
        while isinstance(answer := await core.wire.attempt("Handshake", core.greeting()), Refusal):
            failed = self.supervisor.failed() if self.supervisor else ""
            if failed or self.loop.time() > end:
                await core.wire.close()
                raise Unreachable(failed or f"no handshake at {options.endpoint.address}: {answer}")
            await asyncio.sleep(0.05)
        await core.introduce()
        with contextlib.suppress(Broken, ValueError):
            # What is wrong with the schemas is for group F to say.
            await core.learn_schemas()
        if core.facts.names("list_owned"):
            core.before = await core.owned()
        core.foreign = await output_of(options.params.foreign_command)
        core.watcher = Watcher(core.wire) if core.facts.names("watch") else None
        return core

    async def _hang_up(self) -> None:
        if self.core.watcher is not None:
            await self.core.watcher.close()
        await self.core.wire.close()

    async def _clear(self, left: Sequence[Resource]) -> None:
        """Delete what is left, children first; what resists is no longer judged."""
        core = self.core
        for kind in reversed(KINDS):
            gone = [each for each in left if each.kind == kind and each not in core.residents]
            sent = [each for each in gone if each.highest_sent and core.takes(kind)]
            with contextlib.suppress(Broken, grpc.aio.AioRpcError, TimeoutError):
                await asyncio.wait_for(core.settle(*sent, delete=True), _CLEAR_WITHIN)
                sent = []
            for each in gone:
                each.uncertain = each in sent
                if not each.uncertain:
                    each.forget()
            core.made = [each for each in core.made if each not in gone or each.uncertain]
            for each in gone:
                if kind == "network":
                    core.mint.release(each.network)

    def _require(self, need: str, kind: str | None) -> None:
        """Raise `NotJudged` with the reason if the driver lacks what a case needs."""
        reason = self._reason_against(need, kind)
        if reason:
            raise NotJudged(reason)

    def _reason_against(self, need: str, kind: str | None) -> str:
        facts, supervisor = self.core.facts, self.supervisor
        if facts.message.HasField("load_error") and need != "load_error":
            return f"the driver could not load: {facts.message.load_error}"
        if need in FEATURES:
            return "" if facts.names(need) else f"feature {need!r} is not named in the handshake"
        if need == "precommit":
            if kind is not None:
                judged = any(facts.wants(kind, action, need) for action in ACTION_NUMBERS)
                return "" if judged else f"no interest in precommit of {kind}"
            return "" if facts.kinds(need) else "no interest in precommit of a create"
        if need == "postcommit":
            kinds = facts.kinds(need)
            if kind is not None:
                return "" if kind in kinds else f"no interest in postcommit of every action on {kind}"
            return "" if kinds else "no interest in postcommit of every action on any kind"
        return {
            "bind": "" if facts.message.HasField("bind") else "the driver binds no ports",
            "load_error": "" if facts.message.HasField("load_error") else "the driver could load",
            "stop": "" if supervisor and supervisor.can_stop else "needs --command or --restart-command",
            "kill": "" if supervisor and supervisor.can_kill else "needs --command or --kill-command",
            "own_process": "" if supervisor and supervisor.owns else "needs --command",
            "log": "" if supervisor and supervisor.log() else "needs --command or --driver-log",
        }[need]
