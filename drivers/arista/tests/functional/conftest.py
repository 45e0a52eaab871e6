"""Switches for one test each: a real one, skipped where its server is not installed, and one that fails on demand."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.netconf import FakeSwitch, Heard, NetconfSwitch, missing_requirements
from support.reaper import owned

SPINE = {"Ethernet3": Heard("spine-1", "Ethernet7")}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder with a path that leaves room for a socket's name."""
    with tempfile.TemporaryDirectory(prefix=owned("leaf")) as folder:
        yield Path(folder)


@pytest.fixture
def netconf_switch(folder: Path) -> Iterator[NetconfSwitch]:
    """Give a switch with a real server, whose uplink is Ethernet3."""
    missing = missing_requirements()
    if missing:
        pytest.skip(f"needs {' and '.join(missing)}")
    with NetconfSwitch(folder / "real", neighbours=SPINE) as switch:
        yield switch


@pytest.fixture
def fake_switch(folder: Path) -> Iterator[FakeSwitch]:
    """Give a switch that fails on demand, whose uplink is Ethernet3."""
    with FakeSwitch(folder / "fake", neighbours=SPINE) as switch:
        yield switch
