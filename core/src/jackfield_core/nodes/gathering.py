"""Questions to the database that come at the same time, asked at once.

When a core process starts, every agent there is dials within a second or two,
and each has something to be stored and something to be read. One by one that
would be a transaction for each, in line before the requests of users. So whoever
comes while others are being served waits, and is served together with all who
came meanwhile.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Generic, TypeVar

from jackfield_core.nodes.patience import until_done

SIZE = 50
"""Questions that are asked at once at most."""

QuestionT = TypeVar("QuestionT")
AnswerT = TypeVar("AnswerT")


class Gathering(Generic[QuestionT, AnswerT]):
    """Has *ask* answer many questions at once, in their order; *failed_event* is logged when it cannot."""

    def __init__(
        self, ask: Callable[[Sequence[QuestionT]], Coroutine[Any, Any, Sequence[AnswerT]]], failed_event: str
    ) -> None:
        self._ask = ask
        self._failed_event = failed_event
        self._waiting: list[tuple[QuestionT, asyncio.Future[AnswerT]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def answer(self, question: QuestionT) -> AnswerT:
        """Return the answer; wait for the database if it is away."""
        answered: asyncio.Future[AnswerT] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answered))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_all())
        try:
            return await answered
        except Exception:
            # Perhaps the fault lies in another one's question: from here on everybody asks alone.
            return (await until_done(lambda: self._ask([question]), self._failed_event))[0]

    async def close(self) -> None:
        """End what is still being asked."""
        if self._asking:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:SIZE], self._waiting[SIZE:]
            try:
                answers = await self._ask([question for question, _ in batch])
            except Exception as error:
                for _, answered in batch:
                    if not answered.done():
                        answered.set_exception(error)
                continue
            for (_, answered), answer in zip(batch, answers, strict=True):
                if not answered.done():
                    answered.set_result(answer)
