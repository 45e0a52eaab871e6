"""The servicers behind pytest-grpc's fixtures: a synchronous client, as a core of another make may be.

The plugin serves with `grpc.server`, and ours are asyncio servicers. So one fixture of the plugin
is replaced, the server, by an asyncio one on a thread of its own; channel and stub are the plugin's.
"""

from __future__ import annotations

import asyncio
import threading

import grpc
import pytest
from jackfield.driver.v1 import change_pb2, mechanism_pb2
from jackfield.driver.v1.mechanism_pb2_grpc import MechanismServiceStub, add_MechanismServiceServicer_to_server
from jackfield_sdk import Action, Rejected, ServerSettings
from jackfield_sdk._servicer import Hooks, Process
from jackfield_sdk._servicer.mechanism_service import MechanismService
from jackfield_sdk.testing import RecordingDriver, a_network, a_segment
from jackfield_sdk.testing._changes import Wanted, change


@pytest.fixture(scope="module")
def driver():
    return RecordingDriver()


@pytest.fixture(scope="module")
def grpc_addr(tmp_path_factory):
    return f"unix:{tmp_path_factory.mktemp('grpc')}/driver.sock"


@pytest.fixture(scope="module")
def grpc_add_to_server():
    return add_MechanismServiceServicer_to_server


@pytest.fixture(scope="module")
def grpc_servicer(driver):
    hooks = Hooks(driver, threads=2)
    yield MechanismService(Process(driver, ServerSettings()), hooks)
    hooks.close()


@pytest.fixture(scope="module")
def grpc_stub_cls():
    return MechanismServiceStub


@pytest.fixture(scope="module")
def grpc_server(grpc_addr, grpc_add_to_server, grpc_servicer):
    """Serve on an event loop in a thread, until the module ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def on_loop(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(60)

    async def start():
        server = grpc.aio.server()
        grpc_add_to_server(grpc_servicer, server)
        server.add_insecure_port(grpc_addr)
        await server.start()
        return server

    server = on_loop(start())
    yield server
    on_loop(server.stop(None))
    loop.call_soon_threadsafe(loop.stop)
    thread.join(60)
    loop.close()


def test_a_synchronous_core_gets_a_verdict_for_each_change(grpc_stub, driver):
    """The answers come in the order of the changes, each under its own id."""
    driver.script.answer("create_network_precommit", None, Rejected("VLAN 7 is reserved", reason="VLAN_RESERVED"))
    changes = [change(id, Wanted(Action.CREATE, a_network(a_segment("vlan", 7)))) for id in ("a", "b")]

    response = grpc_stub.Precommit(mechanism_pb2.PrecommitRequest(changes=changes), timeout=60)

    assert [(result.change_id, result.WhichOneof("verdict")) for result in response.results] == [
        ("a", "accept"),
        ("b", "reject"),
    ]
    assert response.results[1].reject.message == "VLAN 7 is reserved"


def test_a_postcommit_is_acknowledged_with_its_revision(grpc_stub):
    """Ten times the same call, ten times the same answer."""
    request = mechanism_pb2.PostcommitRequest(changes=[change("a", Wanted(Action.CREATE, a_network(), 5))], epoch=1)

    responses = [grpc_stub.Postcommit(request, timeout=60) for _ in range(10)]

    assert {response.results[0].done.revision for response in responses} == {5}


def test_a_batch_beyond_the_limit_gets_a_status_and_not_a_result(grpc_stub):
    """The refusal of a whole call carries our details."""
    changes = [change_pb2.Change(change_id=str(number)) for number in range(501)]

    with pytest.raises(grpc.RpcError) as refused:
        grpc_stub.Postcommit(mechanism_pb2.PostcommitRequest(changes=changes), timeout=60)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "grpc-status-details-bin" in dict(refused.value.trailing_metadata())
