"""The inventory follows its file, and a bad file changes nothing but the word of it."""

import os
import signal
from pathlib import Path

import pytest
import structlog
from jackfield_arista.inventory.current import LAST_GOOD, Inventories
from jackfield_arista.inventory.file import InventoryInvalid
from jackfield_arista.inventory.model import Inventory
from support.waiting import wait_until

GOOD = """\
credentials: {leafs: {username: jackfield, key_file: /key}}
groups: {rack1: {physical_network: rack1}}
switches:
"""
BAD = GOOD.replace("rack1}}", "rack1, vlans: 7}}")


def a_file(directory: Path, *switches: str, head: str = GOOD) -> Path:
    """Write an inventory with these switches, as a whole: half of a file would be read as well."""
    file, beside = directory / "inventory.yaml", directory / "inventory.new"
    lines = [f"  {name}: {{address: {name}.example.org, credential: leafs, group: rack1}}\n" for name in switches]
    beside.write_text(head + "".join(lines))
    beside.replace(file)
    return file


@pytest.fixture
def follow():
    """Give a maker of inventories that follow a file every 20 ms, and end them."""
    made: list[Inventories] = []

    def make(file: Path, **settings) -> Inventories:
        made.append(Inventories(file, interval=settings.pop("interval", 0.02), **settings))
        made[-1].start()
        return made[-1]

    yield make
    for inventories in made:
        inventories.stop()


def names(inventories: Inventories) -> set[str]:
    return {*inventories.current().switches}


def test_a_change_of_the_file_is_followed(tmp_path, follow):
    """What is written counts after a moment, and whoever listens is told the new inventory."""
    told: list[Inventory] = []
    inventories = follow(a_file(tmp_path, "leaf1"))
    inventories.on_change(told.append)

    a_file(tmp_path, "leaf1", "leaf2")

    wait_until(lambda: told, what="the new inventory")
    assert names(inventories) == {"leaf1", "leaf2"}
    assert told == [inventories.current()]


def test_a_bad_file_keeps_the_last_good_one_and_says_so(tmp_path, follow):
    """All stays as it was, `fault` and one line of the log tell why, until the file is mended."""
    file = a_file(tmp_path, "leaf1")
    with structlog.testing.capture_logs() as logs:
        inventories = follow(file)
        a_file(tmp_path, "leaf2", head=BAD)
        wait_until(lambda: inventories.fault, what="the fault")

        assert names(inventories) == {"leaf1"}
        assert inventories.fault == f"{file}:2: groups.rack1.vlans: no such setting is known here"
        (line,) = [line for line in logs if line["event"] == "inventory.unusable"]
        assert (line["log_level"], line["faults"]) == ("error", [inventories.fault])

        a_file(tmp_path, "leaf3")
        wait_until(lambda: not inventories.fault, what="the file to be used")
    assert names(inventories) == {"leaf3"}


def test_a_file_that_goes_away_keeps_the_last_good_one(tmp_path, follow):
    """A volume that is not mounted for a while takes no switch away."""
    file = a_file(tmp_path, "leaf1")
    inventories = follow(file)

    file.unlink()
    wait_until(lambda: inventories.fault, what="the fault")

    assert inventories.fault == f"{file}: No such file or directory"
    assert names(inventories) == {"leaf1"}
    a_file(tmp_path, "leaf1", "leaf2")
    wait_until(lambda: names(inventories) == {"leaf1", "leaf2"}, what="the file that is back")


def test_a_signal_has_the_file_read_at_once(tmp_path, follow):
    """SIGHUP is for who does not want to wait."""
    inventories = follow(a_file(tmp_path, "leaf1"), interval=3600)
    before = signal.signal(signal.SIGHUP, lambda *_: inventories.wake())
    try:
        a_file(tmp_path, "leaf2")
        os.kill(os.getpid(), signal.SIGHUP)
        wait_until(lambda: names(inventories) == {"leaf2"}, what="the file to be read")
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_listener_that_fails_keeps_nobody_from_hearing(tmp_path, follow):
    """One part of the driver that breaks over an inventory leaves the others with it."""
    told: list[Inventory] = []

    def fail(_: Inventory) -> None:
        raise RuntimeError("no")

    inventories = follow(a_file(tmp_path, "leaf1"))
    inventories.on_change(fail)
    inventories.on_change(told.append)
    a_file(tmp_path, "leaf2")

    wait_until(lambda: told, what="the second listener")
    assert names(inventories) == {"leaf2"}


def test_a_restart_with_a_bad_file_starts_with_the_last_good_one(tmp_path):
    """What was good is kept beside the memory; without it there is no start, and a reason."""
    file, kept = a_file(tmp_path, "leaf1"), tmp_path / "state"
    Inventories(file, directory=kept)
    file.write_text(BAD)

    again = Inventories(file, directory=kept)
    assert names(again) == {"leaf1"}
    assert "groups.rack1.vlans" in again.fault
    with pytest.raises(InventoryInvalid, match=r"inventory\.yaml:2: groups\.rack1\.vlans"):
        Inventories(file, directory=tmp_path / "elsewhere")
    assert (kept / LAST_GOOD).stat().st_mode & 0o077 == 0


def test_nothing_is_told_if_nothing_changes(tmp_path):
    """A file that is touched, or read again by signal, is no new inventory."""
    told: list[Inventory] = []
    inventories = Inventories(a_file(tmp_path, "leaf1"))
    inventories.on_change(told.append)

    assert inventories.reload()
    assert told == []
