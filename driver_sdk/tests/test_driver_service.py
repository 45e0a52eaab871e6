"""Who the process is: handshake, load error, schemas, states, drain."""

from __future__ import annotations

import asyncio
import threading

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from jackfield.driver.v1 import capability_pb2, change_pb2, driver_pb2
from jackfield.driver.v1.driver_pb2_grpc import DriverServiceStub
from jackfield_sdk import (
    Action,
    Backend,
    BackendHealth,
    Done,
    Infeasible,
    MechanismDriver,
    ServerSettings,
    StateVersions,
)
from jackfield_sdk.errors import RetryLater
from jackfield_sdk.serve import start_server
from jackfield_sdk.testing import RecordingDriver, a_network, running


def reason_of(error):
    """Read the reason of a refusal."""
    info = ErrorInfo()
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    assert Status.FromString(details).details[0].Unpack(info)
    return info.reason


class Small(MechanismDriver):
    name = "small"
    version = "2.1"
    network_types = frozenset({"vlan", "flat"})
    state_versions = StateVersions(1, 2)

    def backends(self):
        return [Backend("leaf1", "epoch-1", BackendHealth.DEGRADED, "one line card is down")]

    def create_port_precommit(self, context):
        return None

    def bind_port(self, context):
        return None

    def diff(self, context):
        return []


async def test_the_handshake_says_what_the_class_says(tmp_path):
    """Name, interests, bindings, limits and backends, nothing written by hand."""
    async with running(Small(), tmp_path, max_in_flight=3) as core:
        answer = await core.handshake(1, 2)

    assert (answer.driver_name, answer.driver_version, answer.contract_major) == ("small", "2.1", 1)
    (interest,) = answer.interests
    assert interest == capability_pb2.Interest(
        kind=change_pb2.RESOURCE_KIND_PORT,
        actions=[change_pb2.ACTION_CREATE],
        phases=[change_pb2.PHASE_PRECOMMIT],
    )
    assert list(answer.bind.network_types) == ["flat", "vlan"]
    assert (answer.limits.max_batch, answer.limits.max_in_flight) == (500, 3)
    assert (answer.state_version.min_readable, answer.state_version.writes) == (1, 2)
    (backend,) = answer.backends
    assert (backend.id, backend.epoch, backend.health) == ("leaf1", "epoch-1", capability_pb2.BACKEND_HEALTH_DEGRADED)
    assert sorted(answer.features) == ["diff", "states", "watch"]
    assert not answer.HasField("load_error")


async def test_a_core_without_a_common_major_is_told_so(tmp_path):
    """Zero means that there is none; the rest is still told."""
    async with running(Small(), tmp_path) as core:
        answer = await core.handshake(2, 3)

    assert (answer.contract_major, answer.driver_name) == (0, "small")


async def test_every_process_has_an_identity_of_its_own(tmp_path):
    """The same within a process, another one in the next."""
    async with running(Small(), tmp_path) as core:
        first, again = await core.handshake(), await core.handshake()
    async with running(Small(), tmp_path) as core:
        second = await core.handshake()

    assert first.instance_id == again.instance_id != second.instance_id


async def test_the_driver_learns_which_deployment_it_serves(tmp_path):
    """It belongs into ownership marks on shared devices."""
    driver = Small()
    async with running(driver, tmp_path) as core:
        await core.handshake(deployment_id="lab-7")

    assert driver.deployment_id == "lab-7"


class Broken(Small):
    def __init__(self, error):
        self.error = error

    async def start(self):
        raise self.error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Infeasible("the inventory file lists no switch"), "the inventory file lists no switch"),
        (RetryLater("no licence"), "no licence"),
        (ValueError("password s3cret is wrong"), "failed to start with ValueError"),
    ],
)
async def test_a_driver_that_cannot_load_is_served_and_says_why(tmp_path, error, told):
    """The handshake has the reason, everything else is refused, and no exception's text leaves."""
    async with running(Broken(error), tmp_path) as core:
        answer = await core.handshake()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await core.precommit(Action.CREATE, a_network())
        health = await health_pb2_grpc.HealthStub(core.channel).Check(health_pb2.HealthCheckRequest(service=""))

    assert told in answer.load_error
    assert "s3cret" not in answer.load_error
    assert not answer.interests
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert reason_of(refused.value) == "LOAD_ERROR"
    assert health.status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_a_start_that_hangs_is_a_load_error(tmp_path):
    """A core that waits for a handshake would learn nothing."""

    class Hanging(Small):
        async def start(self):
            await asyncio.Event().wait()

    async with running(Hanging(), tmp_path, start_timeout=0.05) as core:
        assert "did not start within 0.05 s" in (await core.handshake()).load_error


async def test_backends_may_block_and_run_beside_the_loop(tmp_path):
    """Like any hook: in a thread if it is a plain function, on the loop if not."""
    seen = []

    class Plain(Small):
        def backends(self):
            seen.append(threading.current_thread() is threading.main_thread())
            return [Backend("leaf1", "1")]

    class OnLoop(Small):
        async def backends(self):
            seen.append(threading.current_thread() is threading.main_thread())
            return [Backend("leaf2", "1")]

    for driver, id in ((Plain(), "leaf1"), (OnLoop(), "leaf2")):
        seen.clear()
        async with running(driver, tmp_path) as core:
            assert [each.id for each in (await core.handshake()).backends] == [id]
        assert set(seen) == {isinstance(driver, OnLoop)}


async def test_a_driver_that_is_late_with_its_backends_still_shakes_hands(tmp_path, monkeypatch):
    """In time, with what it said the last time; the question stays open, and nobody asks it twice."""
    go_on, asked = threading.Event(), []

    class Late(Small):
        def backends(self):
            asked.append(None)
            assert len(asked) == 1 or go_on.wait(120)
            return [Backend("leaf1", str(len(asked)), BackendHealth.DEGRADED)]

    def wait(seconds):
        monkeypatch.setattr("jackfield_sdk._servicer.backends._WITHIN", seconds)

    wait(40)
    async with running(Late(), tmp_path) as core:
        wait(0.05)
        late = [await core.handshake() for _ in range(2)]
        wait(40)
        go_on.set()
        (told,) = (await core.handshake()).backends

    unknown = capability_pb2.BACKEND_HEALTH_UNSPECIFIED
    assert [(each.epoch, each.health, each.message) for answer in late for each in answer.backends] == [
        ("1", unknown, "the driver did not tell in time")
    ] * 2
    assert (told.epoch, told.health, len(asked)) == ("2", capability_pb2.BACKEND_HEALTH_DEGRADED, 2)


async def test_a_driver_that_cannot_describe_itself_is_a_load_error(tmp_path):
    """A bug in `backends` must not look like a driver without backends."""

    class Confused(Small):
        def backends(self):
            raise KeyError("s3cret")

    async with running(Confused(), tmp_path) as core:
        answer = await core.handshake()

    assert "KeyError" in answer.load_error
    assert "s3cret" not in answer.load_error


async def test_states_of_the_wanted_version_stay_and_others_are_refused_one_by_one(tmp_path):
    """A driver that never changed its encoding has nothing to upgrade."""
    states = [
        driver_pb2.KeyedState(
            kind=change_pb2.RESOURCE_KIND_PORT, id=id, state=change_pb2.DriverState(version=version, data=b"x")
        )
        for id, version in (("same", 1), ("newer", 2))
    ]
    async with running(Small(), tmp_path) as core:
        request = driver_pb2.UpgradeStatesRequest(to_version=1, states=states)
        answer = await DriverServiceStub(core.channel).UpgradeStates(request)

    same, newer = answer.results
    assert (same.id, same.state.data) == ("same", b"x")
    assert (newer.id, newer.error.reason) == ("newer", "UNSUPPORTED")


async def test_a_driver_may_rewrite_its_states(tmp_path):
    """The hook is given the old state and the version to write."""

    class Upgrading(Small):
        def upgrade_state(self, kind, id, state, to_version):
            if id == "broken":
                raise RuntimeError("s3cret")
            return type(state)(to_version, state.data.upper())

    states = [
        driver_pb2.KeyedState(
            kind=change_pb2.RESOURCE_KIND_PORT, id=id, state=change_pb2.DriverState(version=1, data=b"x")
        )
        for id in ("good", "broken")
    ]
    async with running(Upgrading(), tmp_path) as core:
        request = driver_pb2.UpgradeStatesRequest(to_version=2, states=states)
        good, broken = (await DriverServiceStub(core.channel).UpgradeStates(request)).results

    assert (good.state.version, good.state.data) == (2, b"X")
    assert broken.error.disposition == change_pb2.DISPOSITION_BUG
    assert "s3cret" not in str(broken)


async def test_a_draining_driver_finishes_what_it_has_and_refuses_what_is_new(tmp_path, eventually):
    """The core moved its calls over; what is in flight gets its time."""
    driver, free = RecordingDriver(), asyncio.Event()

    async def wait(context):
        await free.wait()

    driver.script.answer("create_network_postcommit", wait)
    async with running(driver, tmp_path) as core:
        in_flight = asyncio.create_task(core.postcommit(Action.CREATE, a_network()))
        await eventually(lambda: driver.script.calls)

        assert await core.drain(0.05) == 1
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await core.precommit(Action.CREATE, a_network())
        health = await health_pb2_grpc.HealthStub(core.channel).Check(health_pb2.HealthCheckRequest(service=""))
        free.set()

        assert await in_flight == Done(revision=1)
        assert await core.drain(1) == 0
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert reason_of(refused.value) == "DRAINING"
    assert health.status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_a_driver_over_tcp_needs_to_be_told(tmp_path):
    """Port 0 is replaced by the one that was chosen."""
    server = await start_server(Small(), ServerSettings(listen="127.0.0.1:0"))
    try:
        port = int(server.address.rpartition(":")[2])
        assert port > 0
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            answer = await DriverServiceStub(channel).Handshake(driver_pb2.HandshakeRequest(contract_majors=[1]))
        assert answer.driver_name == "small"
    finally:
        await server.stop()
