"""A port is picked once, however long it takes until somebody listens there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import ports

PICK_ALL = """
import sys
from support import ports
sys.stdout.write(" ".join(str(port) for port in map(int, sys.argv[1:]) if ports._pick(port)))
"""


@pytest.fixture
def mine() -> list[int]:
    """Pick three ports, at which nobody listens yet."""
    return [ports.free_port() for _ in range(3)]


def test_port_is_picked_by_one_process(mine: list[int]) -> None:
    """Another process does not get what this one has, and what it got is free when it has ended."""
    nobodys = 1_000_000 + os.getpid()  # No port, but a number like any other.
    command = [sys.executable, "-c", PICK_ALL, *map(str, [*mine, nobodys])]
    directory = Path(__file__).parents[1]

    picked = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True, timeout=120)

    assert picked.stdout == str(nobodys)
    assert ports._pick(nobodys)


def test_port_is_picked_once_by_the_same_process(mine: list[int]) -> None:
    """Neither as a number nor as a socket does it come again."""
    with ports.reserve_port() as keeper:
        reserved = keeper.getsockname()[1]

        assert len({*mine, reserved}) == 4
        assert [port for port in (*mine, reserved) if ports._pick(port)] == []
