"""One stage for the tests of a file: the drivers are good again after each."""

from collections.abc import Callable, Iterator

import pytest
from support.postgres import PostgresServer, postgres

from mirror.ordeal import Ordeal
from mirror.stage import BIND_TIMEOUT, BUDGET, Stage

__all__ = ["postgres"]


@pytest.fixture(scope="module")
def budget() -> float:
    """Seconds that drivers have for a verdict."""
    return BUDGET


@pytest.fixture(scope="module")
def stage(postgres: PostgresServer, budget: float) -> Iterator[Stage]:
    """Run a core with one good and two evil drivers, which behave."""
    database = postgres.create_database()
    with Stage(database.url, budget, BIND_TIMEOUT) as stage:
        yield stage
    postgres.drop_database(database)


@pytest.fixture
def ordeal(stage: Stage, request: pytest.FixtureRequest) -> Callable[..., Ordeal]:
    """Let a driver misbehave in the way that the test is named after."""
    mode = request.function.__name__.removeprefix("test_")

    def begin(policy: str = "required") -> Ordeal:
        return Ordeal(stage, policy, mode)

    return begin
