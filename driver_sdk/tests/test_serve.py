"""A driver as a process: its socket, its signals, its health, and what others can ask of it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from jackfield_sdk import Action, Done, MechanismDriver, ServerSettings, start_server
from jackfield_sdk._servicer import SERVICES
from jackfield_sdk._transport import CannotListen
from jackfield_sdk.testing import Core, RecordingDriver, a_network, running


@pytest.fixture
def loopback(tmp_path):
    """Start `jackfield-loopback` processes, and kill those that are left."""
    started = []

    def start(*options, **environment):
        command = [sys.executable, "-m", "jackfield_sdk.examples.loopback", *options]
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


async def connected(address):
    """Wait until somebody serves on an address, and return a channel."""
    channel = grpc.aio.insecure_channel(address, options=[("grpc.default_authority", "localhost")])
    await asyncio.wait_for(channel.channel_ready(), 60)
    return channel


WORKING = """
import sys
from jackfield_sdk import MechanismDriver, ServerSettings, serve

class Working(MechanismDriver):
    name = "working"

    def create_network_postcommit(self, context):
        print("began", flush=True)
        sys.stdin.readline()

serve(Working(), ServerSettings(listen=sys.argv[1], drain_grace=24))
"""


async def serves(channel):
    """Tell whether a driver still takes calls."""
    try:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=""), timeout=60)
    except grpc.aio.AioRpcError:
        return False
    return answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_sigterm_lets_a_call_in_flight_finish(tmp_path):
    """The process ends with status 0, its answer given, its socket gone."""
    path = tmp_path / "d.sock"
    command = [sys.executable, "-c", WORKING, f"unix://{path}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            async with await connected(f"unix:{path}") as channel:
                call = asyncio.create_task(Core(channel).postcommit(Action.CREATE, a_network()))
                assert await asyncio.to_thread(process.stdout.readline) == "began\n"
                process.send_signal(signal.SIGTERM)
                while await serves(channel):
                    await asyncio.sleep(0.01)
                process.stdin.write("go on\n")
                process.stdin.flush()

                assert await call == Done(revision=1)

            assert await asyncio.to_thread(process.wait, 60) == 0
            assert not path.exists()
        finally:
            process.kill()


async def test_a_second_driver_on_the_same_socket_is_refused_with_a_sentence(loopback, tmp_path):
    """The first one goes on; gRPC alone would have taken its socket away."""
    path = tmp_path / "d.sock"
    loopback("--listen", f"unix://{path}")
    async with await connected(f"unix:{path}") as channel:
        second = loopback("--listen", f"unix://{path}")
        _, stderr = await asyncio.to_thread(second.communicate, None, 60)

        assert second.returncode == 1
        assert f"another process serves on {path}" in stderr
        assert "Traceback" not in stderr
        assert (await Core(channel).handshake()).driver_name == "loopback"


async def test_a_killed_driver_leaves_a_socket_that_its_successor_removes(loopback, tmp_path):
    """A kill -9 must not need a hand."""
    path = tmp_path / "d.sock"
    first = loopback("--listen", f"unix://{path}")
    async with await connected(f"unix:{path}"):
        first.kill()
        first.wait(60)
    assert path.exists()

    loopback("--listen", f"unix://{path}")
    async with await connected(f"unix:{path}") as channel:
        assert (await Core(channel).handshake()).driver_name == "loopback"


class Bare(MechanismDriver):
    name = "bare"

    def __init__(self):
        self.started = self.stopped = 0

    async def start(self):
        self.started += 1

    async def stop(self):
        self.stopped += 1


async def test_the_socket_is_open_to_owner_and_group_only(tmp_path):
    """Whoever can open it can command the switches."""
    async with running(Bare(), tmp_path):
        mode = stat.S_IMODE((tmp_path / "bare.sock").stat().st_mode)

    assert mode == 0o660


async def test_an_address_that_cannot_be_had_is_a_sentence_of_ours(tmp_path, capfd):
    """The reason is named, and nothing that gRPC would print stands beside it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = {
            f"127.0.0.1:{port}": "Address already in use",
            "127.0.0.1:99999": "neither",
            "127.0.0.1:80x": "neither",
            "nothing": "neither",
            "tcp://127.0.0.1:80": "Name or service not known|not known|name resolution",
            f"unix://{tmp_path}/{'x' * 120}": "more than 107 bytes",
        }
        for address, reason in told.items():
            with pytest.raises(CannotListen, match=rf"^cannot listen on (?s:.*): .*({reason})"):
                await start_server(Bare(), ServerSettings(listen=address))

    assert capfd.readouterr().err == ""


async def test_a_file_that_is_no_socket_is_not_removed(tmp_path):
    """A wrong path in the configuration must not cost a file, and the driver is not even started."""
    path, driver = tmp_path / "precious", Bare()
    path.write_text("data")

    with pytest.raises(CannotListen, match="is no socket"):
        await start_server(driver, ServerSettings(listen=f"unix://{path}"))

    assert path.read_text() == "data"
    assert driver.started == 0


async def test_a_socket_of_nobody_is_taken_over(tmp_path):
    """A bound socket whose process is gone refuses connections."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "bare.sock"))
    async with running(Bare(), tmp_path) as core:
        assert (await core.handshake()).driver_name == "bare"


async def test_a_process_that_ends_leaves_the_socket_of_its_successor_alone(tmp_path):
    """A supervisor may start the next one while this one still lets go of its device."""
    path = tmp_path / "bare.sock"
    successor = socket.socket(socket.AF_UNIX)

    class Slow(Bare):
        async def stop(self):
            successor.bind(str(path))

    with successor:
        async with running(Slow(), tmp_path):
            assert path.exists()
        assert path.exists()


async def test_health_is_told_per_service(tmp_path):
    """A prober may ask for the process or for one service."""
    async with running(Bare(), tmp_path) as core:
        stub = health_pb2_grpc.HealthStub(core.channel)
        for service in ("", *SERVICES):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_stranger_finds_the_services_by_reflection(tmp_path):
    """Tools such as grpcurl need no proto files then."""
    async with running(Bare(), tmp_path) as core:
        stub = reflection_pb2_grpc.ServerReflectionStub(core.channel)
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        answer = await call.read()

    names = {service.name for service in answer.list_services_response.service}
    assert {*SERVICES, "grpc.health.v1.Health"} <= names


async def test_the_driver_is_stopped_after_its_last_call(tmp_path):
    """Stopping twice would be as wrong as not stopping."""
    driver = Bare()
    async with running(driver, tmp_path) as core:
        await core.handshake()
        assert (driver.started, driver.stopped) == (1, 0)

    assert (driver.started, driver.stopped) == (1, 1)


async def test_a_hook_that_hangs_does_not_keep_the_process(tmp_path, eventually):
    """After the grace the call is cut off."""
    driver = RecordingDriver()

    async def hang(context):
        await asyncio.Event().wait()

    driver.script.answer("create_network_postcommit", hang)
    server = await start_server(driver, ServerSettings(listen=f"unix://{tmp_path}/d.sock"))
    async with await connected(server.address) as channel:
        call = asyncio.create_task(Core(channel).postcommit(Action.CREATE, a_network()))
        await eventually(lambda: driver.script.calls)
        async with asyncio.timeout(30):
            await server.stop(grace=0.1)
        with pytest.raises(grpc.aio.AioRpcError):
            await call


async def test_a_driver_with_a_long_name_is_tested_in_a_long_folder():
    """A socket has room for 107 bytes, and the folder of a test takes most of them."""
    driver = RecordingDriver()
    driver.name = "a" * 63
    with tempfile.TemporaryDirectory(prefix="jf-", suffix="-" + "x" * 60) as folder:
        async with running(driver, Path(folder)) as core:
            assert (await core.handshake()).driver_name == driver.name
