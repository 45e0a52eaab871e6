"""Makes the lab importable; skips where it cannot run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from linuxbridge_lab import PROGRAMS, Lab
from support.hosts import what_is_missing
from support.kernel import skip_or_choose


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs namespaces where there are none."""
    missing = what_is_missing(PROGRAMS)
    for item in items:
        if item.get_closest_marker("functional") and "linuxbridge" in str(item.path) and missing:
            item.add_marker(pytest.mark.skip(reason=missing))
    skip_or_choose(config, items)


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Give a lab and clean it away."""
    lab = Lab()
    yield lab
    lab.close()
