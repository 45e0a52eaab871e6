"""Recorded conversations still work: yesterday's drivers with today's core, and the other way round."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from support import nodejs

from evolution.meaning import Names, answers, essence
from evolution.recording import FOLDER, MESSAGES, Recording, load
from evolution.replayer import Replayer
from evolution.site import Site
from evolution.story import tell
from evolution.subjects import SUBJECTS, Subject

RECORDED = sorted(path.stem for path in FOLDER.glob("*.jsonl"))
MECHANISM = "/jackfield.driver.v1.MechanismService"
PATHS = {
    "Handshake": "/jackfield.driver.v1.DriverService/Handshake",
    "GetSchemas": "/jackfield.driver.v1.DriverService/GetSchemas",
    "Precommit": f"{MECHANISM}/Precommit",
    "Postcommit": f"{MECHANISM}/Postcommit",
    "BindPorts": f"{MECHANISM}/BindPorts",
}


@pytest.fixture(params=RECORDED)
def subject(request: pytest.FixtureRequest) -> Subject:
    """Take one driver after the other."""
    return SUBJECTS[request.param]


@pytest.fixture
def recording(subject: Subject) -> Recording:
    """Read its recording."""
    return load(FOLDER / f"{subject.name}.jsonl")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder with a path short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="jfrep-", dir="/tmp"))
    yield path
    shutil.rmtree(path)


async def test_core_of_today_gets_to_the_same_end(subject: Subject, recording: Recording, folder: Path) -> None:
    """With the answers of then, the same story ends with the same answers, revisions, states and bindings."""
    async with Replayer(recording, folder / "r.sock") as replayer, Site(subject.name, folder / "r.sock") as site:
        end = await tell(subject, site)

    assert replayer.unheard == []
    assert end == recording.end


async def test_driver_of_today_answers_the_same(subject: Subject, recording: Recording, folder: Path) -> None:
    """Given the requests of then, in their order, it decides and keeps what it did then."""
    if subject.name == "nodejs":
        nodejs.require()
    socket = folder / "d.sock"
    with subject.process(socket, folder / "driver.log"):
        said = [await _ask(socket, exchange.rpc, exchange.request) for exchange in _calls(recording)]

    assert _meanings(recording, said) == _meanings(recording, [exchange.answered for exchange in _calls(recording)])


@pytest.mark.parametrize("name", RECORDED)
def test_contract_of_today_knows_every_field_of_then(name: str) -> None:
    """No byte of a recording is something that today's messages have no field for."""
    strange = [
        (exchange.rpc, message.DESCRIPTOR.name)
        for exchange in load(FOLDER / f"{name}.jsonl").exchanges
        for whole in (exchange.asked, *(MESSAGES[exchange.rpc][1].FromString(one) for one in exchange.responses))
        for message in _tree(whole)
        if len(UnknownFieldSet(message))
    ]

    assert strange == []


async def test_core_notices_a_driver_that_says_something_else(folder: Path) -> None:
    """A recording with another verdict in it does not lead to the same end: the comparison has teeth."""
    subject, recording = SUBJECTS["loopback"], load(FOLDER / "loopback.jsonl")
    async with Replayer(recording, folder / "r.sock") as replayer:
        replayer.forget("port#1", "update")
        async with Site(subject.name, folder / "r.sock") as site:
            end = await tell(subject, site)

    assert {(key.resource, key.action) for key in replayer.unheard} == {("port#1", "update")}
    assert end["answers"]["update port bound"] == 503
    assert end != recording.end


def test_every_driver_is_recorded_and_recordings_are_small() -> None:
    """Loopback, Open vSwitch and Node.js, in less than 200 kB together."""
    assert set(RECORDED) == set(SUBJECTS)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 200_000


def _calls(recording: Recording) -> list[Any]:
    return [exchange for exchange in recording.exchanges if exchange.rpc in PATHS]


async def _ask(socket: Path, rpc: str, request: bytes) -> Any:
    options = [("grpc.default_authority", "localhost")]
    channel: Any = grpc.aio.insecure_channel(f"unix://{socket}", options)
    async with channel:
        return MESSAGES[rpc][1].FromString(await channel.unary_unary(PATHS[rpc])(request, timeout=10))


def _meanings(recording: Recording, responses: list[Any]) -> list[Any]:
    names = Names()
    return [
        _meaning(names, exchange, response) for exchange, response in zip(_calls(recording), responses, strict=True)
    ]


def _meaning(names: Names, exchange: Any, response: Any) -> Any:
    if exchange.rpc == "GetSchemas":
        return response
    if exchange.rpc == "Handshake":
        return _introduction(response)
    found = answers(exchange.rpc, names, exchange.asked, response)
    return {key: essence(part, result) for key, (part, result) in found.items()}


def _introduction(response: Any) -> Any:
    """Return what a handshake promises; versions, tokens and epochs belong to one process."""
    backends = [(backend.id, backend.health) for backend in response.backends]
    promised: Any = type(response)()
    promised.CopyFrom(response)
    for field in ("driver_version", "instance_id", "backends"):
        promised.ClearField(field)
    return promised, backends


def _tree(message: Message) -> Iterator[Message]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for child in value if field.is_repeated else [value]:
            yield from _tree(child)
