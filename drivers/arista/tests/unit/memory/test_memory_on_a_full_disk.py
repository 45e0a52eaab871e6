"""What the driver cannot write down is not promised."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from jackfield_arista.configuration.model import Mode
from jackfield_arista.memory.memory import Memory
from jackfield_arista.wanted.wants import Membership, Want
from jackfield_sdk import Kind, RetryLater


def test_a_full_disk_is_said_and_tried_again(tmp_path: Path) -> None:
    """Nothing of the batch counts, the reason names the file, and it works as soon as there is room."""
    memory = Memory(tmp_path / "memory.db")
    wants = [(_want(), ()) for _ in range(500)]
    pages = memory._database.execute("PRAGMA page_count").fetchone()[0]
    memory._database.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(RetryLater, match=r"memory\.db.*full") as refused:
        memory.keep(wants)

    assert refused.value.code == "MEMORY_UNWRITABLE"
    assert memory.rows("leaf1") == ()
    memory._database.execute("PRAGMA max_page_count = 100000")
    memory.keep(wants)
    assert len(memory.rows("leaf1")) == len(wants)
    memory.close()


def _want() -> Want:
    network = str(uuid.uuid4())
    member = Membership("leaf1", "Ethernet1", Mode.TRUNK, 7)
    return Want(Kind.PORT, str(uuid.uuid4()), network, 1, b"digest", memberships=(member,))
