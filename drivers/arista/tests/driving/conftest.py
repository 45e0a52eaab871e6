"""Makes sites of switches importable, and one for each test."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from arista_site import Site
from support.reaper import owned


@pytest.fixture
def site() -> Iterator[Site]:
    """Give switches, an inventory of them and drivers for it; everything ends with the test."""
    # The paths of a test's own folder are too long for sockets.
    with tempfile.TemporaryDirectory(prefix=owned("arista")) as folder, Site(Path(folder)) as made:
        yield made
