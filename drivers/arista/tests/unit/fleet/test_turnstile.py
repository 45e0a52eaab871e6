"""One turn at a switch at a time, also among processes."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from jackfield_arista.device.errors import TurnTaken
from jackfield_arista.fleet.turnstile import Turnstile

_HOLD = """
import sys
from pathlib import Path
from jackfield_arista.fleet.turnstile import Turnstile

with Turnstile(Path(sys.argv[1]), "leaf 1/a").turn():
    print("in", flush=True)
    sys.stdin.read()
"""


def test_a_turn_waits_for_that_of_another_process(tmp_path: Path):
    """It begins when the other one has ended, and another switch waits for nobody."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        order: list[str] = []

        def turn() -> None:
            with Turnstile(tmp_path, "leaf 1/a", patience=60).turn():
                order.append("ours")

        waiting = threading.Thread(target=turn)
        waiting.start()
        with Turnstile(tmp_path, "leaf2").turn():
            order.append("theirs")
        other.stdin.close()
        waiting.join(60)

    assert order == ["theirs", "ours"]


def test_a_process_that_does_not_end_its_turn_is_named_by_its_file(tmp_path: Path):
    """Whoever is killed frees it: the operator has to find the process, and end it."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        impatient = Turnstile(tmp_path, "leaf 1/a", patience=0.1)
        with pytest.raises(TurnTaken, match=r'switch "leaf 1/a": another process .*\.turn'), impatient.turn():
            pass
        other.kill()

    with Turnstile(tmp_path, "leaf 1/a", patience=0).turn():
        pass
