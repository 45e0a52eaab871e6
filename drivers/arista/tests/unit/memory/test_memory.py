"""What is wanted of each switch, in a file that outlives the process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from jackfield_arista.configuration.model import Mode, SwitchPort
from jackfield_arista.memory.memory import Memory
from jackfield_arista.memory.tables import Kept
from jackfield_arista.wanted.wants import Membership, Want
from jackfield_sdk import Kind

HERE = Membership("leaf1", "Ethernet1", Mode.TRUNK, 7)
THERE = Membership("leaf2", "Ethernet1", Mode.TRUNK, 7)
PORT = Want(Kind.PORT, "port-1", "network-1", 1, b"digest", (HERE,))
GONE = replace(PORT, revision=9, memberships=(), leaving=True)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    memory = Memory(tmp_path / "memory.db")
    yield memory
    memory.close()


def keep(memory: Memory, want: Want, *known: str) -> Kept:
    (kept,) = memory.keep([(want, known)])
    return kept


def test_what_moves_is_wanted_there_and_leaves_here(memory: Memory) -> None:
    """Both switches are concerned until the old one is rid of it."""
    keep(memory, PORT)
    assert keep(memory, replace(PORT, revision=2, memberships=(THERE,))).switches == ("leaf1", "leaf2")

    (old,), (new,) = memory.rows("leaf1"), memory.rows("leaf2")
    assert (old.leaving, new.leaving) == (True, False)
    memory.settle("leaf1", [], [old], [])
    assert keep(memory, replace(PORT, revision=3, memberships=(THERE,))).switches == ("leaf2",)


def test_a_lower_revision_changes_nothing_and_hears_the_one_that_is_held(memory: Memory) -> None:
    """But for an orphan, of which only the id is known."""
    keep(memory, replace(PORT, revision=5))
    assert keep(memory, replace(GONE, revision=3)) == Kept(held=5)
    assert [row.leaving for row in memory.rows("leaf1")] == [False]
    assert keep(memory, replace(GONE, revision=3, network_id="", orphan=True)).switches == ("leaf1",)
    assert [(row.leaving, row.network_id) for row in memory.rows("leaf1")] == [(True, "network-1")]


def test_what_comes_back_while_it_is_taken_away_is_not_forgotten(memory: Memory) -> None:
    """The rows that a turn has seen leave go only as it has seen them."""
    keep(memory, PORT)
    keep(memory, GONE)
    seen = memory.rows("leaf1")
    keep(memory, replace(PORT, revision=10))
    memory.settle("leaf1", [], seen, [])

    assert [(row.leaving, row.revision) for row in memory.rows("leaf1")] == [(False, 10)]


def test_a_deleted_port_is_forgotten_when_every_switch_is_rid_of_it(memory: Memory) -> None:
    """Until then it is asked for at every switch that may hold it."""
    keep(memory, replace(PORT, memberships=(HERE, THERE)))
    assert keep(memory, GONE).switches == ("leaf1", "leaf2")
    memory.settle("leaf1", [], memory.rows("leaf1"), [])
    assert keep(memory, GONE).switches == ("leaf2",)
    memory.settle("leaf2", [], memory.rows("leaf2"), [])
    assert keep(memory, GONE).switches == ()
    assert memory.networks() == frozenset()


def test_a_network_goes_from_every_switch_that_may_hold_it(memory: Memory) -> None:
    """Those that wanted it, that had it before this memory, and that were seen with it."""
    keep(memory, PORT)
    memory.inherit("leaf2", {("", 7): "network-1"})
    gone = Want(Kind.NETWORK, "network-1", "network-1", 2, leaving=True)

    assert keep(memory, gone, "leaf3").switches == ("leaf1", "leaf2", "leaf3")


def test_a_file_that_is_opened_again_has_everything_and_the_same_epoch(tmp_path: Path) -> None:
    """A process that was killed has lost nothing that it said it had."""
    first = Memory(tmp_path / "memory.db")
    first.belong_to("blue")
    keep(first, PORT)
    taken = SwitchPort("Ethernet1", Mode.TRUNK, None, 3, frozenset({3, 4}), entries=("3..4",))
    first.begin_edit("leaf1", [taken])
    rows, epoch = first.rows("leaf1"), first.epoch("leaf1")
    second = Memory(tmp_path / "memory.db")

    assert (second.deployment_id, second.rows("leaf1"), second.epoch("leaf1")) == ("blue", rows, epoch)
    assert second.taken("leaf1") == {"Ethernet1": taken}
    assert second.taken("leaf1")["Ethernet1"].entries == ("3..4",)
    first.close()
    second.close()


def test_a_switch_that_lost_everything_has_a_new_epoch(memory: Memory) -> None:
    """What is wanted of it is still wanted; the epoch of the others is as before."""
    keep(memory, replace(PORT, memberships=(HERE, THERE)))
    memory.settle("leaf1", memory.rows("leaf1"), [], [])
    before = memory.epoch("leaf1"), memory.epoch("leaf2")
    memory.reset("leaf1")

    assert (memory.epoch("leaf1") != before[0], memory.epoch("leaf2") == before[1]) == (True, True)
    assert [row.made for row in memory.rows("leaf1")] == [False]


def test_another_deployment_begins_with_nothing(memory: Memory) -> None:
    """What one deployment wants is no business of another; it is set aside, for who was introduced by mistake."""
    assert not memory.belong_to("blue")
    keep(memory, PORT)
    epoch = memory.epoch("leaf1")

    aside = memory.belong_to("green")
    assert memory.rows("leaf1") == ()
    assert memory.epoch("leaf1") != epoch
    assert aside is not None
    with closing(Memory(aside)) as before:
        assert (before.deployment_id, before.epoch("leaf1")) == ("blue", epoch)
        assert [row.member for row in before.rows("leaf1")] == [HERE]
