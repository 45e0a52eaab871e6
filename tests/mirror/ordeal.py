"""One driver misbehaves for a while, and everybody looks.

    with Ordeal(stage, "required", "hangs") as ordeal:
        ordeal.turn(on=["Postcommit"])
        ...

On the way out the driver becomes good again, and what must hold whatever it did is checked: every debt
is paid, no user waited for it for longer than the budget, and the log says what happened in few lines.
How long others take beside it is measured by `bench.evil`: times of a busy machine are no test.
"""

import json
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

import httpx
from support.waiting import wait_until

from mirror.stage import PATIENCE, Stage, in_time

ROUNDING = 1.01
"""gRPC rounds a time-out up when it writes it into a header, by one per cent at most."""
LINES = 30
LINES_PER_SECOND = 10.0
REPEATED = 30.0
"""Seconds after which the core says again that something goes on."""
LONGEST_LINE = 8_000
"""Bytes of a line of the log."""
_LATE = ("DEADLINE_EXCEEDED", "breaker-open", "does not answer", "it is connecting")


class Ordeal:
    """What one evil driver does, and what comes of it."""

    def __init__(self, stage: Stage, policy: str, mode: str) -> None:
        self.stage = stage
        self.evil = stage.evil[policy]
        self.is_required = policy == "required"
        self.mode = mode
        self.created: list[str] = []

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._log_from = self.stage.log_size()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        longest = self.evil.longest
        now = self.evil.behave()
        # The core may take the process before it for this one, as long as it has not seen the end of that.
        wait_until(
            lambda: self.times("driver.ready", instance_id=now), what="the driver to serve again", timeout=PATIENCE
        )
        self.stage.until_ready()
        if kind is not None:
            return
        self.stage.until_paid()
        held = self.evil.held
        assert not [id for id in self.created if id not in held], "the driver was never told"
        assert longest.get("Precommit", 0.0) <= self.stage.budget * ROUNDING
        assert longest.get("BindPorts", 0.0) <= self.stage.bind_timeout * ROUNDING
        self._check_log()

    # What the driver does.

    def turn(self, *, on: Sequence[str] = (), reborn: bool = False, every: float = 0.0) -> None:
        """Misbehave, in the calls *on* or in all."""
        self.evil.turn(self.mode, on=on, reborn=reborn, every=every)

    def until_ready(self) -> None:
        """Wait until the driver that was reborn serves."""
        wait_until(lambda: self.events()["driver.ready"], what="the driver to be ready")
        self.stage.until_ready()

    # What users see.

    def create(self) -> httpx.Response:
        """Create a network, of which the driver is asked and told; again if another driver was late."""
        answer = in_time(self.stage.create_network, besides=self.evil.name)
        if answer.status_code == 201:
            self.created.append(answer.json()["network"]["id"])
        return answer

    def refused_or_passed(self, *, because: str = "") -> None:
        """Create a network without a verdict of the driver: 503 if it is required, 201 if it is advisory.

        On a busy machine it may misbehave too late to be heard; a required one is then asked again.
        """
        reason = self._without_verdict()
        deadline = time.monotonic() + PATIENCE
        while self.is_required and because not in reason and _is_late(reason) and time.monotonic() < deadline:
            reason = self._without_verdict()
        assert because in reason or not self.is_required, reason

    def _without_verdict(self) -> str:
        answer = self.create()
        assert answer.status_code == (503 if self.is_required else 201), answer.text
        if not self.is_required:
            return ""
        error = answer.json()["NeutronError"]
        assert error["type"] == "MechanismDriverUnavailable"
        assert f'"{self.evil.name}"' in error["message"]
        assert error["message"].isprintable()
        assert len(error["message"]) < 1500
        return str(error["message"])

    def owed(self, *, because: str) -> str:
        """Create a network that the driver takes before the commit and not after it; return why it is owed."""
        answer = in_time(self.create)
        assert answer.status_code == 201, answer.text
        id = answer.json()["network"]["id"]

        def reason() -> str:
            return self.stage.owed(self.evil.name).get(id, "")

        wait_until(lambda: because in reason(), what=lambda: f"a debt because of {because}: {reason()!r}")
        assert reason().isprintable()
        return reason()

    def others_do_not_notice(self) -> None:
        """Check that what needs only the good driver is answered and delivered while the evil one is at it.

        The evil one does not hear of it, and nothing waits until it is good again.
        """
        others = self.stage.serve_others()
        assert not self.evil.heard_of & {*others}

    # What operators see.

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return time.monotonic() - self._started

    @property
    def repeats(self) -> int:
        """How often something that goes on may have been said until now."""
        return 1 + int(self.seconds / REPEATED)

    def events(self) -> Counter[str]:
        """Return what the core logged of this driver, by name."""
        return Counter(line["event"] for line in self.lines())

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of the core's log about this driver."""
        return [line for line in self._lines() if line.get("driver") == self.evil.name]

    def times(self, event: str, **fields: str) -> int:
        """Return how often the core logged a fact about this driver."""
        wanted = {"event": event, "driver": self.evil.name, **fields}
        return sum(
            wanted.items() <= {name: str(value) for name, value in line.items()}.items() for line in self._lines()
        )

    def condition(self) -> str:
        """Return what the core says of the driver to whoever asks whether it is ready."""
        return self.stage.conditions()[self.evil.name]

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric of this driver."""
        return self.stage.metric(name, driver=self.evil.name, **labels)

    def _lines(self) -> list[dict[str, Any]]:
        return self.stage.logged(self._log_from)

    def _check_log(self) -> None:
        lines = self._lines()
        assert len(lines) < LINES + LINES_PER_SECOND * self.seconds, Counter(line["event"] for line in lines)
        tripped = [line for line in lines if "exception" in line]
        assert not tripped, f"the core tripped: {tripped[0]['event']} {tripped[0]['exception'][-2000:]}"
        for line in lines:
            assert len(json.dumps(line)) < LONGEST_LINE, line["event"]
            texts = [str(value) for value in line.values()]
            assert all(text.isprintable() for text in texts), line


def _is_late(reason: str) -> bool:
    return any(words in reason for words in _LATE)
