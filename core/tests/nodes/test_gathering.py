"""Questions that come at the same time."""

import asyncio
from collections.abc import Sequence

import pytest
from jackfield_core.nodes import gathering
from jackfield_core.nodes.gathering import Gathering


class Oracle:
    """Doubles numbers when it may; refuses all of a question set that has the number 13 in it, until it is cured."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.may_answer = asyncio.Event()
        self.is_cured = False

    async def ask(self, questions: Sequence[int]) -> Sequence[int]:
        self.asked.append([*questions])
        await self.may_answer.wait()
        if 13 in questions and not self.is_cured:
            raise ValueError("13")
        return [2 * question for question in questions]


async def test_who_comes_while_others_are_served_is_served_together() -> None:
    """The first is asked for alone, and everybody who came meanwhile at once."""
    oracle = Oracle()
    questions = Gathering(oracle.ask, "failed")
    asking = [asyncio.create_task(questions.answer(number)) for number in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking += [asyncio.create_task(questions.answer(number)) for number in range(3, 8)]
    await asyncio.sleep(0)

    oracle.may_answer.set()

    assert await asyncio.gather(*asking) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert oracle.asked == [[0, 1, 2], [3, 4, 5, 6, 7]]


async def test_no_more_than_so_many_are_asked_for_at_once() -> None:
    """A thousand come in portions."""
    oracle = Oracle()
    oracle.may_answer.set()
    questions = Gathering(oracle.ask, "failed")

    answers = await asyncio.gather(*(questions.answer(number + 100) for number in range(1000)))

    assert answers == [2 * number for number in range(100, 1100)]
    assert {len(asked) for asked in oracle.asked} == {gathering.SIZE}


async def test_question_that_cannot_be_answered_takes_no_other_with_it() -> None:
    """The others are answered, and it is tried again until it can be."""
    oracle = Oracle()
    oracle.may_answer.set()
    questions = Gathering(oracle.ask, "failed")
    refused = asyncio.create_task(questions.answer(13))

    async with asyncio.timeout(30):
        answers = await asyncio.gather(*(questions.answer(number) for number in (1, 2)))
    is_waiting = not refused.done()
    oracle.is_cured = True

    assert answers == [2, 4]
    assert is_waiting
    async with asyncio.timeout(30):
        assert await refused == 26


async def test_who_leaves_is_not_waited_for() -> None:
    """A stream that ends takes nothing away from those that asked with it."""
    oracle = Oracle()
    questions = Gathering(oracle.ask, "failed")
    leaving, staying = (asyncio.create_task(questions.answer(number)) for number in (1, 2))
    await asyncio.sleep(0)
    leaving.cancel()

    oracle.may_answer.set()

    assert await staying == 4
    with pytest.raises(asyncio.CancelledError):
        await leaving
