"""A driver process is stopped in its tracks (SIGSTOP): its sockets stay open, nothing answers.

Every answer here comes while the driver is stopped, so nobody waits for it. How soon they come (503 within
300 ms, 20 ms more for a create that passes) is measured by `bench.silence`: times of a busy machine are no test.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jackfield_core import config
from support.cloud import HURRIED, Cloud
from support.silenced import User
from support.waiting import wait_until

CREATES = 20
AT_ONCE = ("it is breaker-open", "it is connecting")
"""What is known of the driver before it is asked: nobody waits for more than that."""


@pytest.fixture
def policy() -> str:
    """The driver's verdict is needed."""
    return "required"


@pytest.fixture
def cloud(postgres_database: Any, policy: str) -> Iterator[Cloud]:
    """Run a core that has the default deadlines, and a driver."""
    with Cloud(postgres_database.url, policy=policy, settings=HURRIED) as cloud:
        yield cloud


@pytest.fixture
def user(cloud: Cloud) -> Iterator[User]:
    """Create ports, of which the driver has bound one."""
    with User(cloud) as user:
        user.until_bound()
        yield user


def test_the_budget_of_a_verdict_leaves_time_for_the_rest_of_the_answer() -> None:
    """A user who pays for finding out has an answer 300 ms after the request; the driver has most of that."""
    assert config.Mechanism().precommit_budget <= 0.25


@pytest.mark.slow
def test_stopped_required_driver_is_a_503(cloud: Cloud, user: User) -> None:
    """One request finds out, and from then on what is known is told; SIGCONT heals without an operator."""
    for _ in range(3):
        cloud.drivers["fabric"].suspend()
        refused(user.create_port())
        # A core that was itself late looks once more before it gives a driver up.
        wait_until(lambda: refused(user.create_port()).endswith(AT_ONCE), what="the driver to be given up", interval=0)
        asked = user.verdicts_asked()
        reasons = [refused(user.create_port()) for _ in range(CREATES)]
        reasons.append(refused(user.create_network()))
        assert [reason for reason in reasons if not reason.endswith(AT_ONCE)] == []
        assert user.verdicts_asked() == asked
        cloud.drivers["fabric"].resume()
        user.until_bound()


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["advisory"])
def test_stopped_advisory_driver_lets_creates_pass(cloud: Cloud, user: User) -> None:
    """Creates go on, the driver is not asked once the breaker is open, and SIGCONT heals without an operator."""
    cloud.drivers["fabric"].suspend()
    assert user.create_port().status_code == 201
    wait_until(lambda: user.create_port().status_code == 201 and not user.is_asked(), what="the driver to be given up")
    asked = user.verdicts_asked()
    assert {user.create_port().status_code for _ in range(CREATES)} == {201}
    assert user.verdicts_asked() == asked
    cloud.drivers["fabric"].resume()
    user.until_bound()


def refused(answer: httpx.Response) -> str:
    """Return what the user is told."""
    assert answer.status_code == 503, answer.text
    message = str(answer.json()["NeutronError"]["message"])
    assert '"fabric"' in message
    return message
