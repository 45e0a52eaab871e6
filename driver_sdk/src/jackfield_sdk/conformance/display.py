"""What the command shows: a line for each case, then the failures at length, then the verdict."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest

from jackfield_sdk.conformance import SUITE_VERSION
from jackfield_sdk.conformance.outcome import AGAINST, Outcome, Run, Status, explained, verdict_of
from jackfield_sdk.conformance.plugin import RUN, UNUSABLE

_WORDS = {
    Status.PASSED: "ok",
    Status.FAILED: "FAIL",
    Status.BLOCKED: "block",
    Status.SKIPPED: "skip",
    Status.EXPECTED_FAILURE: "xfail",
    Status.UNEXPECTED_PASS: "XPASS",
    Status.ERROR: "ERROR",
}


class Display:
    """A pytest plugin that writes to the terminal instead of pytest's own."""

    def __init__(self, started: float) -> None:
        """Count the time from `started`, on the clock of `time.monotonic()`."""
        self._started = started
        self._run = Run()
        self._introduced = False

    def exit_code(self, status: int) -> int:
        """Turn pytest's exit status into the command's: 0, 1, or 2 for no verdict."""
        if self._run.of(Status.ERROR) or not self._run.judged():
            return 1 if self._run.of(*AGAINST) else UNUSABLE
        if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            return UNUSABLE
        return 0 if self._run.conforms else 1

    def pytest_configure(self, config: pytest.Config) -> None:
        """Find the run that the plugin keeps."""
        self._run = config.stash.get(RUN, self._run)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Show a case as soon as it has its outcome."""
        outcome: Outcome | None = getattr(report, "conformance", None)
        if outcome is None:
            return
        if not self._introduced:
            self._introduced = True
            run = self._run
            _say(
                f"{run.driver} {run.driver_version}, jackfield.driver.v{run.contract}, "
                f"suite {SUITE_VERSION}, seed {run.seed}"
            )
        ending = outcome.reason.splitlines()[0] if outcome.reason else f"{outcome.seconds:.2f} s"
        _say(f"  {_WORDS[outcome.status]:<6}{outcome.title:<42} {ending}")

    def pytest_collectreport(self, report: Any) -> None:
        """Show why cases could not be collected."""
        if report.failed:
            sys.stderr.write(f"{report.longreprtext}\n")

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Show why the run ends early."""
        sys.stderr.write(f"jackfield-conformance: {getattr(excinfo.value, 'msg', 'interrupted')}\n")

    def pytest_sessionfinish(self) -> None:
        """Show the failures, and the verdict."""
        run = self._run
        if not run.outcomes:
            return
        for outcome in run.of(Status.FAILED, Status.UNEXPECTED_PASS, Status.ERROR):
            _say("\n" + explained(outcome))
        counts = ", ".join(f"{number} {status}" for status, number in sorted(run.count().items()))
        _say(f"\n{counts}, in {time.monotonic() - self._started:.1f} s")
        _say(f"{run.driver} {verdict_of(run)}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
