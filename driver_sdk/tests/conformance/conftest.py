"""The command under test, and a way to what the tests of the suite share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from conformance_runs import Judged, judge_in


@pytest.fixture
def judge(tmp_path: Path) -> Callable[..., Judged]:
    """Run `jackfield-conformance` with arguments."""
    return partial(judge_in, tmp_path)
