"""Listings and dry runs: complete, or visibly not."""

from __future__ import annotations

import threading

import grpc
import pytest
from jackfield.driver.v1 import reconcile_pb2
from jackfield.driver.v1.reconcile_pb2_grpc import ReconcileServiceStub
from jackfield_sdk import Action, Kind, Line, MechanismDriver, Owned, RetryLater, Unreachable
from jackfield_sdk.testing import Wanted, _changes, a_network, running

OWNED = [Owned(Kind.PORT, f"port-{number}", number, b"digest", "leaf1") for number in range(1_234)]


class Listing(MechanismDriver):
    name = "listing"

    def __init__(self, error=None):
        self.error = error
        self.asked = []

    def list_owned(self, kinds):
        self.asked.append((kinds, threading.current_thread() is threading.main_thread()))
        yield from OWNED
        if self.error:
            raise self.error
        yield Unreachable("leaf2", "no route to it")

    def diff(self, context):
        return [f"vlan {context.revision}"] if context.revision > 1 else []


async def test_a_listing_has_everything_and_names_what_could_not_be_read(tmp_path):
    """A generator is read page by page, in a thread, because it blocks while it is read."""
    driver = Listing()
    async with running(driver, tmp_path) as core:
        found = await core.list_owned(Kind.PORT)

    assert found == [*OWNED, Unreachable("leaf2", "no route to it")]
    assert driver.asked == [(frozenset({Kind.PORT}), False)]


async def test_a_listing_may_be_asynchronous(tmp_path):
    """An async generator runs on the loop."""

    class Async(Listing):
        async def list_owned(self, kinds):
            for owned in OWNED:
                yield owned

    async with running(Async(), tmp_path) as core:
        assert await core.list_owned() == OWNED


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("s3cret"), grpc.StatusCode.INTERNAL),
        (RetryLater("the controller restarts"), grpc.StatusCode.UNAVAILABLE),
    ],
)
async def test_a_listing_that_breaks_off_ends_with_an_error(tmp_path, error, code):
    """Half a listing taken for a whole one would look like a wiped device."""
    async with running(Listing(error), tmp_path) as core:
        with pytest.raises(grpc.aio.AioRpcError) as broken:
            await core.list_owned()

    assert broken.value.code() is code
    assert "s3cret" not in broken.value.details()


async def test_a_dry_run_tells_what_postcommit_would_do(tmp_path):
    """No lines, nothing to do."""
    async with running(Listing(), tmp_path) as core:
        assert await core.diff(Action.UPDATE, a_network(), 7) == ["vlan 7"]
        assert await core.diff(Action.UPDATE, a_network(), 1) == []


async def test_a_dry_run_names_the_backend_of_each_line(tmp_path):
    """One response for each backend, and plain text for none."""

    class TwoBackends(MechanismDriver):
        name = "two-backends"

        def diff(self, context):
            return [Line("vlan 7", "leaf1"), Line("vlan 8", "leaf2"), Line("name", "leaf1"), "and more"]

    async with running(TwoBackends(), tmp_path) as core:
        lines = await core.dry_run(Wanted(Action.CREATE, a_network()))

    assert lines == [Line("vlan 7", "leaf1"), Line("name", "leaf1"), Line("vlan 8", "leaf2"), Line("and more")]


async def test_a_driver_without_a_listing_says_so(tmp_path):
    """Not an empty listing, which would mean an empty device."""

    class Bare(MechanismDriver):
        name = "bare"

    async with running(Bare(), tmp_path) as core:
        for call in (core.list_owned(), core.diff(Action.CREATE, a_network())):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_dry_run_may_be_a_generator_that_blocks_and_knows_its_deadline(tmp_path):
    """It is read in a thread, as a listing is."""

    class Comparing(MechanismDriver):
        name = "comparing"

        def diff(self, context):
            yield f"{threading.current_thread() is threading.main_thread()}"
            yield f"{500 < context.remaining() < 607}"

    async with running(Comparing(), tmp_path, timeout=600.0) as core:
        assert await core.diff(Action.CREATE, a_network()) == ["False", "True"]


async def test_a_malformed_change_is_refused_with_its_place(tmp_path):
    """A fault of the caller, and none of the driver."""
    network = a_network()
    good, bad = (_changes.change(name, _changes.Wanted(Action.CREATE, network, 2)) for name in ("good", "bad"))
    bad.current.Clear()
    async with running(Listing(), tmp_path) as core:
        call = ReconcileServiceStub(core.channel).Diff(reconcile_pb2.DiffRequest(changes=[good, bad]))
        lines = [(await call.read()).lines[0]]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call.read()

    assert lines == ["vlan 2"]
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.details() == "malformed change: current is no network"
