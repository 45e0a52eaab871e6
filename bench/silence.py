"""What a driver that is stopped in its tracks (SIGSTOP) costs users, beside what it may cost.

Of a required driver: how soon 503 comes, to the first request, which has to find out, and to those after it.
Of an advisory one: what it adds to a create once its breaker is open. In each round creates with the driver
awake come first, so that whatever else the machine does falls on both. The core has its default deadlines.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
from support.cloud import HURRIED, Cloud
from support.postgres import PostgresServer
from support.silenced import User
from support.waiting import wait_until

from bench.overhead import Figure

_ANSWER_LIMIT = 300.0
_ADDED_LIMIT = 20.0
"""Milliseconds."""


def measure(*, rounds: int, creates: int) -> list[Figure]:
    """Return the figures of *rounds*, each with *creates* of every kind."""
    with _users("required") as (cloud, user):
        refused = [_refused(cloud, user, creates) for _ in range(rounds)]
    with _users("advisory") as (cloud, user):
        added = [_added(cloud, user, creates) for _ in range(rounds)]
    firsts, later = zip(*refused, strict=True)
    return [
        Figure("required driver stopped: the first 503", "ms", _ANSWER_LIMIT, firsts),
        Figure("required driver stopped: a later 503", "ms", _ANSWER_LIMIT, later),
        Figure("advisory driver stopped: more for a create", "ms", _ADDED_LIMIT, added),
    ]


@contextmanager
def _users(policy: str) -> Iterator[tuple[Cloud, User]]:
    server = PostgresServer()
    try:
        server.start()
        url = server.create_database().url
        with Cloud(url, policy=policy, settings=HURRIED) as cloud, User(cloud) as user:
            user.until_bound()
            yield cloud, user
    finally:
        server.stop()


def _refused(cloud: Cloud, user: User, creates: int) -> tuple[float, float]:
    """Return the milliseconds of the first 503, and the median of later ones."""
    cloud.drivers["fabric"].suspend()
    try:
        first = _milliseconds(user.create_port, status=503)
        later = [_milliseconds(user.create_port, status=503) for _ in range(creates)]
    finally:
        cloud.drivers["fabric"].resume()
    user.until_bound()
    return first, statistics.median(later)


def _added(cloud: Cloud, user: User, creates: int) -> float:
    """Return by how many milliseconds the median of a create grows."""
    before = [_milliseconds(user.create_port, status=201) for _ in range(creates)]
    cloud.drivers["fabric"].suspend()
    try:
        wait_until(lambda: user.create_port().status_code == 201 and not user.is_asked(), what="the breaker to open")
        during = [_milliseconds(user.create_port, status=201) for _ in range(creates)]
    finally:
        cloud.drivers["fabric"].resume()
    user.until_bound()
    return statistics.median(during) - statistics.median(before)


def _milliseconds(create: Callable[[], httpx.Response], *, status: int) -> float:
    began = time.perf_counter()
    answer = create()
    took = time.perf_counter() - began
    if answer.status_code != status:
        raise RuntimeError(f"{answer.status_code} instead of {status}: {answer.text}")
    return took * 1000
