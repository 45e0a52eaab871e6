"""Recorded conversations still work: yesterday's drivers with today's core, and the other way round."""

import itertools
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
from jackfield.driver.v1 import driver_pb2
from support import nodejs
from support.reaper import owned

from evolution.meaning import Names, answers, essence
from evolution.recording import FOLDER, MESSAGES, Recording, load
from evolution.replayer import Replayer
from evolution.site import Site
from evolution.story import tell
from evolution.subjects import SUBJECTS, Subject

RECORDED = sorted(FOLDER.glob("*/*.jsonl"))
MECHANISM = "/jackfield.driver.v1.MechanismService"
PATHS = {
    "Handshake": "/jackfield.driver.v1.DriverService/Handshake",
    "GetSchemas": "/jackfield.driver.v1.DriverService/GetSchemas",
    "Precommit": f"{MECHANISM}/Precommit",
    "Postcommit": f"{MECHANISM}/Postcommit",
    "BindPorts": f"{MECHANISM}/BindPorts",
}


@pytest.fixture(params=RECORDED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def path(request: pytest.FixtureRequest) -> Path:
    """Take one recording after the other."""
    recorded: Path = request.param
    return recorded


@pytest.fixture
def subject(path: Path) -> Subject:
    """Name the driver that was recorded."""
    return SUBJECTS[path.stem]


@pytest.fixture
def recording(path: Path) -> Recording:
    """Read what was recorded."""
    return load(path)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder with a path short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix=owned("rep"), dir="/tmp"))
    yield path
    shutil.rmtree(path)


async def test_core_of_today_gets_to_the_same_end(subject: Subject, recording: Recording, folder: Path) -> None:
    """With the answers of then, the same story ends with the same answers, revisions, states and bindings."""
    async with Replayer(recording, folder / "r.sock") as replayer, Site(subject.name, folder / "r.sock") as site:
        end = await tell(subject, site)

    assert replayer.unheard == []
    assert end == recording.end


async def test_driver_of_today_answers_the_same(subject: Subject, recording: Recording, folder: Path) -> None:
    """Given the requests of then, in their order, it decides and keeps what it did, and offers no less."""
    if subject.name == "nodejs":
        nodejs.require()
    socket = folder / "d.sock"
    with subject.process(socket, folder / "driver.log"):
        said = [await _ask(socket, exchange.rpc, exchange.request) for exchange in _calls(recording)]

    said_then = [exchange.answered for exchange in _calls(recording)]
    assert _meanings(recording, said) == _meanings(recording, said_then)
    assert _promises(said_then) - _promises(said) == set()


def test_contract_of_today_knows_every_field_of_then(recording: Recording) -> None:
    """No byte of a recording is something that today's messages have no field for."""
    strange = [
        (exchange.rpc, message.DESCRIPTOR.name)
        for exchange in recording.exchanges
        for whole in (exchange.asked, *(MESSAGES[exchange.rpc][1].FromString(one) for one in exchange.responses))
        for message in _tree(whole)
        if len(UnknownFieldSet(message))
    ]

    assert strange == []


async def test_core_notices_a_driver_that_says_something_else(folder: Path) -> None:
    """A recording with another verdict in it does not lead to the same end: the comparison has teeth."""
    subject, recording = SUBJECTS["loopback"], load(FOLDER / "0.1.0" / "loopback.jsonl")
    async with Replayer(recording, folder / "r.sock") as replayer:
        replayer.forget("port#1", "update")
        async with Site(subject.name, folder / "r.sock") as site:
            end = await tell(subject, site)

    assert {(key.resource, key.action) for key in replayer.unheard} == {("port#1", "update")}
    assert end["answers"]["update port bound"] == 503
    assert end != recording.end


def test_every_driver_is_recorded_and_recordings_are_small() -> None:
    """Loopback, Open vSwitch and Node.js, in less than 100 kB for a release."""
    for release in FOLDER.iterdir():
        files = list(release.iterdir())
        assert {path.stem for path in files} == set(SUBJECTS)
        assert sum(path.stat().st_size for path in files) < 100_000


def _calls(recording: Recording) -> list[Any]:
    return [exchange for exchange in recording.exchanges if exchange.rpc in PATHS]


async def _ask(socket: Path, rpc: str, request: bytes) -> Any:
    options = [("grpc.default_authority", "localhost")]
    channel: Any = grpc.aio.insecure_channel(f"unix://{socket}", options)
    async with channel:
        return MESSAGES[rpc][1].FromString(await channel.unary_unary(PATHS[rpc])(request, timeout=60))


def _meanings(recording: Recording, responses: list[Any]) -> list[Any]:
    names = Names()
    return [
        {
            key: essence(part, result)
            for key, (part, result) in answers(exchange.rpc, names, exchange.asked, response).items()
        }
        for exchange, response in zip(_calls(recording), responses, strict=True)
        if exchange.rpc not in {"Handshake", "GetSchemas"}
    ]


def _promises(responses: list[Any]) -> set[Any]:
    """Return what a driver says of itself and may add to, but not take away from."""
    promised: set[Any] = set()
    for response in responses:
        match response:
            case driver_pb2.HandshakeResponse():
                promised |= {response.driver_name, response.contract_major, *response.features}
                promised |= {(interest.kind, *pair) for interest in response.interests for pair in _pairs(interest)}
                promised |= {("binds", each) for each in (*response.bind.network_types, *response.bind.vnic_types)}
                promised |= {backend.id for backend in response.backends}
            case driver_pb2.GetSchemasResponse():
                promised |= {schema.SerializeToString(deterministic=True) for schema in response.schemas}
    return promised


def _pairs(interest: Any) -> Iterator[tuple[int, int]]:
    return itertools.product(interest.actions, interest.phases)


def _tree(message: Message) -> Iterator[Message]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for child in value if field.is_repeated else [value]:
            yield from _tree(child)
