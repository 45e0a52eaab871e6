"""The command under test, and a way to what the tests of the suite share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from conformance_runs import Judged, WarmSuite


@pytest.fixture(scope="session")
def suite() -> Iterator[WarmSuite]:
    """Have the suite imported once for all runs."""
    suite = WarmSuite()
    yield suite
    suite.close()


@pytest.fixture
def judge(suite: WarmSuite, tmp_path: Path) -> Callable[..., Judged]:
    """Run `jackfield-conformance` with arguments."""
    return partial(suite.judge, tmp_path)
