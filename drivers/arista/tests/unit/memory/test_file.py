"""A memory that is damaged is said and left alone: what was in it is not forgotten behind the operator's back."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from jackfield_arista.configuration.model import SwitchPort
from jackfield_arista.memory.file import MemoryUnusable
from jackfield_arista.memory.memory import Memory


def a_memory(directory: Path) -> Path:
    """Make a memory of some pages, and return its file."""
    path = directory / "memory.db"
    with closing(Memory(path)) as memory:
        memory.begin_edit("leaf1", [SwitchPort(f"Ethernet{number}") for number in range(500)])
    return path


def garbled(path: Path) -> None:
    path.write_bytes(b"nobody knows what this is" * 1000)


def torn(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:8192] + bytes(len(content) - 8192))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def exchanged(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE recipes (name TEXT)")


@pytest.mark.parametrize(
    ("damage", "fact"),
    [
        (garbled, "not a database"),
        (torn, "is damaged"),
        (emptied, "is empty"),
        (exchanged, "is not a memory of this driver"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_and_left_as_it_is(tmp_path: Path, damage, fact: str) -> None:
    """The reason names the file, what is wrong with it, and what to do; nothing begins anew."""
    path = a_memory(tmp_path)
    damage(path)
    before = path.read_bytes()

    with pytest.raises(MemoryUnusable) as refused:
        Memory(path)

    assert refused.value.code == "MEMORY_UNUSABLE"
    for part in (str(path), fact, "backup", "memory.db-wal", "move it away"):
        assert part in refused.value.reason
    assert path.read_bytes() == before


def test_a_file_that_is_gone_without_its_journal_is_missed(tmp_path: Path) -> None:
    """A new file would be taken for the one that the journal belongs to."""
    (tmp_path / "memory.db-wal").write_bytes(b"of another file")

    with pytest.raises(MemoryUnusable, match=r"memory\.db is not there, and its journal memory\.db-wal is"):
        Memory(tmp_path / "memory.db")

    assert not (tmp_path / "memory.db").exists()


def test_damage_that_shows_later_is_said_in_the_same_words(tmp_path: Path) -> None:
    """Whoever asks is told, be it to read or to write."""
    path = a_memory(tmp_path)
    with closing(Memory(path)) as memory:
        torn(path)
        memory._database.execute("PRAGMA shrink_memory")

        with pytest.raises(MemoryUnusable, match=r"memory\.db is damaged"):
            memory.taken("leaf1")
        with pytest.raises(MemoryUnusable, match=r"memory\.db is damaged"):
            memory.begin_edit("leaf1", [SwitchPort("Ethernet1000")])


def test_processes_that_begin_at_once_begin_one_memory(tmp_path: Path) -> None:
    """Whose file it is does not matter, as long as it is one."""
    found: list[str] = []
    at_once = threading.Barrier(4)

    def begin() -> None:
        at_once.wait(20)
        with closing(Memory(tmp_path / "memory.db")) as memory:
            found.append(memory.epoch("leaf1"))

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(found) == 4
    assert len({*found}) == 1
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []
