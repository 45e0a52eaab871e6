"""The loopback driver on a fabric that hands change: it sees that, repairs it, and leaves to others what is theirs."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace

import grpc
import pytest
from jackfield_sdk import Action, Done, Kind, Line, Owned, Unreachable
from jackfield_sdk.examples.loopback import (
    Fabric,
    Held,
    LoopbackDriver,
    LoopbackOptions,
    applied_in,
    revisions_in,
    rows_in,
)
from jackfield_sdk.examples.loopback.hands import Hands
from jackfield_sdk.testing import Wanted, a_network, a_port, running


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fabric.db"


@pytest.fixture
def fabric():
    return Fabric("fabric-a", backends=("leaf1", "leaf2"))


@pytest.fixture
async def core(fabric, path, tmp_path):
    async with running(LoopbackDriver(fabric, LoopbackOptions(state_file=path)), tmp_path) as core:
        yield core


def actions_in(path, id):
    """Return what was done to one resource, in order."""
    return [(each.action, each.revision) for each in applied_in(path) if each.id == id]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE held SET value = json_set(value, '$.name', 'by hand') WHERE id = ?",
        "UPDATE held SET revision = 99 WHERE id = ?",
        "UPDATE held SET digest = x'00' WHERE id = ?",
        "UPDATE held SET value = 'no JSON' WHERE id = ?",
    ],
)
async def test_what_was_changed_by_hand_is_listed_without_a_digest_and_repaired(core, fabric, path, statement):
    """Though the core sends the same revision and digest again, and whatever it is that was changed."""
    network, other = a_network(), a_network()
    for each in (network, other):
        await core.postcommit(Action.CREATE, each, 3)
    before = await core.list_owned()

    with closing(sqlite3.connect(path)) as file, file:
        file.execute(statement, (network.id,))
    (listed,) = [each for each in await core.list_owned() if each.id == network.id]
    told = await core.diff(Action.UPDATE, network, 3)

    assert listed.digest == b""
    assert len(told) == 1
    assert told[0].startswith(f"change network {network.id}: ")
    assert await core.diff(Action.UPDATE, other, 3) == []
    assert await core.postcommit(Action.UPDATE, network, 3) == Done(revision=3)
    assert await core.list_owned() == before
    assert fabric.networks[network.id] == (3, network)
    assert (await core.diff(Action.UPDATE, network, 3), actions_in(path, network.id)) == (
        [],
        [("add", 3), ("repair", 3)],
    )


async def test_what_was_removed_by_hand_is_not_listed_and_made_again(core, path):
    """A driver that believed its memory would not notice."""
    network = a_network()
    await core.postcommit(Action.CREATE, network, 3)

    Hands(path).remove("network", network.id)

    assert await core.list_owned() == []
    assert await core.diff(Action.CREATE, network, 3) == [f"add network {network.id} at revision 3"]
    assert await core.postcommit(Action.CREATE, network, 3) == Done(revision=3)
    assert revisions_in(path)["network"] == {network.id: 3}


async def test_what_was_added_by_hand_with_our_mark_is_an_orphan(core, path):
    """It is listed, and goes when the core asks for that; so does what comes back under an id that was deleted."""
    network = a_network()
    await core.postcommit(Action.CREATE, network, 7)

    orphan = Hands(path).add("network", like=network.id)

    assert {each.id for each in await core.list_owned()} == {network.id, orphan}
    assert await core.delete_orphan(Kind.NETWORK, orphan, 8) == Done(revision=8)
    assert set(revisions_in(path)["network"]) == {network.id}
    for _ in range(2):
        with closing(sqlite3.connect(path)) as file, file:
            file.execute("UPDATE held SET value = '{}', revision = 1, owner = 'test' WHERE id = ?", (orphan,))
        assert orphan in {each.id for each in await core.list_owned()}
        assert await core.delete_orphan(Kind.NETWORK, orphan, 2) == Done(revision=2)
        assert set(revisions_in(path)["network"]) == {network.id}


async def test_what_is_anothers_is_neither_listed_nor_touched(core, path):
    """Not even under an id of ours: then the operator has to look."""
    network = a_network()
    await core.postcommit(Action.CREATE, network, 1)
    foreign = Hands(path).add("network", like=network.id, owner="another deployment")
    before = rows_in(path)

    assert [each.id for each in await core.list_owned()] == [network.id]
    assert await core.delete_orphan(Kind.NETWORK, foreign, 9) == Done(revision=9)
    failed = await core.postcommit(Action.CREATE, replace(network, id=foreign), 10)
    assert (failed.disposition, failed.effect) == ("CONFLICT", "NONE")
    assert "another deployment" in (await core.diff(Action.CREATE, replace(network, id=foreign), 10))[0]
    assert rows_in(path) == before


async def test_hands_find_out_nothing_that_a_driver_did(core, path):
    """What the driver writes is never taken for a change by hand, not by another process either."""
    network = a_network()
    await core.postcommit(Action.CREATE, network, 1)
    await core.postcommit(Action.UPDATE, replace(network, name="new"), 2)

    assert [row.changed_by_hand for row in rows_in(path)] == [False]
    assert Hands(path).add("network", like=network.id) in {row.id for row in rows_in(path) if row.changed_by_hand}


async def test_everything_that_is_done_is_noted_once(core, path):
    """In the transaction that does it; what changes nothing is not noted."""
    network, port = a_network(), a_port(a_network(), "host-1")
    port = replace(port, network_id=network.id, binding=replace(port.binding, profile={"password": "s3cret"}))
    for _ in range(2):
        await core.postcommit(Action.CREATE, network, 1)
        await core.postcommit(Action.CREATE, port, 2, network=network)
    await core.postcommit(Action.UPDATE, replace(port, name="new"), 5, network=network)
    for _ in range(2):
        await core.postcommit(Action.DELETE, port, 6, network=network)

    assert actions_in(path, network.id) == [("add", 1)]
    assert actions_in(path, port.id) == [("add", 2), ("change", 5), ("remove", 6)]
    assert [each.number for each in applied_in(path)] == [1, 2, 3, 4]


async def test_a_repetition_after_a_restart_is_not_done_again(path, tmp_path):
    """Though a file holds no profile, which a fresh process therefore does not know."""
    network = a_network()
    port = a_port(network, "host-1")
    port = replace(port, binding=replace(port.binding, profile={"password": "s3cret"}))
    for _ in range(2):
        async with running(LoopbackDriver(options=LoopbackOptions(state_file=path)), tmp_path) as core:
            assert await core.postcommit(Action.CREATE, port, 2, network=network) == Done(revision=2)

    assert actions_in(path, port.id) == [("add", 2)]


async def test_a_backend_that_is_cut_off_is_unknown_and_the_other_goes_on(core, fabric):
    """A network is on one backend, with all that stands on it."""
    networks = [a_network() for _ in range(20)]
    for each in networks:
        await core.postcommit(Action.CREATE, each)
        await core.postcommit(Action.CREATE, a_port(each), network=each)
    on = {each.id: fabric.backend_of(Kind.NETWORK, each.id) for each in networks}
    assert set(on.values()) == {"leaf1", "leaf2"}

    fabric.cut_off("leaf2", "no route to leaf2")
    *listed, unknown = await core.list_owned()
    here, there = (next(each for each in networks if on[each.id] == leaf) for leaf in ("leaf1", "leaf2"))

    assert unknown == Unreachable("leaf2", "no route to leaf2")
    assert {each.backend for each in listed} == {"leaf1"}
    assert {each.id for each in listed if each.kind is Kind.NETWORK} == {id for id in on if on[id] == "leaf1"}
    assert [each.message for each in (await core.handshake()).backends] == ["", "no route to leaf2"]
    assert await core.postcommit(Action.UPDATE, replace(here, name="new"), 2) == Done(revision=2)
    failed = await core.postcommit(Action.UPDATE, replace(there, name="new"), 2)
    assert (failed.disposition, failed.reason) == ("RETRY", "UNREACHABLE")
    with pytest.raises(grpc.aio.AioRpcError, match="no route to leaf2"):
        await core.diff(Action.UPDATE, there, 2)
    fabric.accept()
    assert await core.dry_run(Wanted(Action.UPDATE, replace(there, name="new"), 2)) == [
        Line(f'change network {there.id}: name is "{there.name}" instead of "new"', "leaf2")
    ]
    assert len(await core.list_owned()) == 40


async def test_a_backend_that_is_wiped_has_a_new_epoch_and_the_other_keeps_what_it_has(core, fabric, path):
    """By the driver's own process, or by hand."""
    for _ in range(20):
        await core.postcommit(Action.CREATE, a_network())
    epochs = {each.id: each.epoch for each in (await core.handshake()).backends}

    fabric.wipe("leaf1")
    assert {each.backend for each in await core.list_owned()} == {"leaf2"}
    Hands(path).wipe("leaf2")
    assert await core.list_owned() == []

    now = {each.id: each.epoch for each in (await core.handshake()).backends}
    assert all(now[id] != epochs[id] for id in ("leaf1", "leaf2"))
    assert revisions_in(path)["network"] == {}
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT max(number) < 100 FROM held").fetchone() == (1,)
    assert [(each.action, each.id) for each in applied_in(path)][-1] == ("wipe", "leaf1")


async def test_a_fabric_in_memory_sees_a_test_change_it(tmp_path):
    """A test has the fabric in its hand, and no file."""
    fabric, network, stranger = Fabric(), a_network(), a_network()
    async with running(LoopbackDriver(fabric), tmp_path) as core:
        await core.postcommit(Action.CREATE, network, 2)
        fabric.networks[network.id] = Held(2, replace(network, name="by hand"))
        fabric.networks[stranger.id] = Held(5, stranger)

        assert await core.list_owned() == [
            Owned(Kind.NETWORK, network.id, 2, b"", "loopback"),
            Owned(Kind.NETWORK, stranger.id, 5, b"", "loopback"),
        ]
        await core.postcommit(Action.UPDATE, network, 2)
        assert fabric.networks[network.id] == (2, network)


async def test_hands_work_from_a_shell(core, path):
    """So that an operator's command can stand in for them."""
    network = a_network()
    await core.postcommit(Action.CREATE, network, 1)

    def hands(*arguments):
        command = [sys.executable, "-m", "jackfield_sdk.examples.loopback.hands"]
        ended = subprocess.run([*command, *arguments], check=True, capture_output=True, text=True, timeout=120)
        return ended.stdout.strip()

    foreign = hands("add", str(path), "network", network.id, "--owner", "somebody")
    hands("change", str(path), "network", network.id)
    assert [each.digest for each in await core.list_owned()] == [b""]
    assert {row.owner for row in rows_in(path) if row.id == foreign} == {"somebody"}
    hands("remove", str(path), "network", network.id)
    assert await core.list_owned() == []


async def test_a_file_of_another_release_is_a_load_error_and_stays_as_it_is(path, tmp_path):
    """Guessing what its columns mean could cost what it holds."""
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("CREATE TABLE held (number INTEGER PRIMARY KEY, id TEXT)")
    before = path.read_bytes()
    async with running(LoopbackDriver(options=LoopbackOptions(state_file=path)), tmp_path) as core:
        assert "move it away" in (await core.handshake()).load_error

    assert path.read_bytes() == before
