"""The way out of a quarantine that needs no new version of the driver."""

from support.waiting import wait_until

from mirror.ordeal import Ordeal
from mirror.stage import Stage


def test_operator_ends_a_quarantine(stage: Stage) -> None:
    """`jackfield driver release` frees a driver in all processes, and shows that it was not free."""
    with Ordeal(stage, "required", "garbage") as spoiled:
        spoiled.turn(on=["Precommit"])
        for _ in range(3):
            spoiled.create()
        wait_until(lambda: "quarantined" in spoiled.condition(), what="the quarantine")
        assert "quarantined" in stage.command("driver", "list")
        spoiled.evil.turn("good")
        assert spoiled.create().status_code == 503

        stage.command("driver", "release", spoiled.evil.name)

        stage.until_ready()
        assert spoiled.create().status_code == 201
