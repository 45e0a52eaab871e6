"""Drivers that say too much."""

from collections.abc import Callable

import httpx
import pytest
from support.waiting import wait_until

from mirror.ordeal import Ordeal
from mirror.stage import POLICIES, Stage, in_time

both = pytest.mark.parametrize("policy", POLICIES)


@both
def test_huge(ordeal: Callable[..., Ordeal], policy: str) -> None:
    """Answers of 20 MB are not taken in; what they were about is sent again, in smaller batches and then rarely."""
    with ordeal(policy) as fat:
        fat.turn(on=["Postcommit"])
        fat.owed(because="RESOURCE_EXHAUSTED")
        fat.turn()
        fat.refused_or_passed(because="RESOURCE_EXHAUSTED")
        fat.others_do_not_notice()

    assert 1 <= fat.times("delivery.no_outcome", code="RESOURCE_EXHAUSTED") <= fat.repeats


@both
def test_shouts(ordeal: Callable[..., Ordeal], policy: str) -> None:
    """Texts of half a megabyte reach nobody: they are cut, and are one line without control characters."""
    with ordeal(policy) as loud:
        loud.turn(on=["Postcommit"])
        assert len(loud.owed(because="RED")) < 4200
        loud.turn()
        loud.refused_or_passed(because="RED")
        loud.others_do_not_notice()

    assert loud.events()["delivery.failed"] >= 1


def test_shouts_in_status(ordeal: Callable[..., Ordeal]) -> None:
    """Texts of a status are cut and cleaned like those of an answer."""
    with ordeal() as loud:
        loud.turn(on=["Postcommit"])
        loud.owed(because="RED")
        loud.turn()
        loud.refused_or_passed(because="RED")
        loud.others_do_not_notice()

    assert loud.events()["delivery.no_outcome"] >= 1


def test_floods(ordeal: Callable[..., Ordeal], stage: Stage) -> None:
    """A flood of events about everything changes no port of others, and is taken in at a bounded pace."""

    def create_port() -> httpx.Response:
        return stage.create_port(stage.bystander)

    def statuses() -> set[str]:
        return {port["status"] for port in stage.api.get("/ports").json()["ports"] if port["id"] in ports}

    ports = [in_time(create_port).json()["port"]["id"] for _ in range(20)]
    wait_until(lambda: statuses() == {"ACTIVE"}, what="the ports to be ACTIVE")
    with ordeal() as flooding:
        flooding.evil.learn(ports)
        assert in_time(flooding.create).status_code == 201
        flooding.turn()
        told = flooding.metric("jackfield_driver_events_total")
        wait_until(lambda: flooding.metric("jackfield_driver_events_total") > told + 2000, what="events to come")
        flooding.others_do_not_notice()
        assert in_time(flooding.create).status_code == 201
        assert statuses() == {"ACTIVE"}

    # Every ten seconds, and when it says who it is.
    times = 1 + flooding.seconds / 10
    assert flooding.events()["driver.owed_all_again"] <= times + flooding.events()["driver.ready"]
    assert flooding.events()["driver.drifted"] <= times
