"""A secret that the core sends is seen by the hooks, and by nobody who reads logs, reprs or answers."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
from jackfield.driver.v1 import binding_pb2, change_pb2, sensitive_pb2
from jackfield_sdk import Accepted, Action, Attribute, Binding, Done, DriverState, Kind
from jackfield_sdk._convert import decode
from jackfield_sdk._logging import configure_logging
from jackfield_sdk._redaction import masked, trace_of
from jackfield_sdk.testing import RecordingDriver, Wanted, _changes, a_host, a_network, a_port, running

SENTINEL = 'pa"ss\\word-7f3a'


def leaks(text):
    """Tell whether the sentinel stands in a text, however it was quoted."""
    return "word-7f3a" in text


@pytest.fixture
def log_as():
    """Configure the log of the SDK as a process does once, for the time of a test."""

    def configure(level, *, json):
        configure_logging(level, json=json)
        _forget_cached_loggers()

    yield configure
    _forget_cached_loggers()


def _forget_cached_loggers():
    # A logger keeps the configuration that it was first used with.
    for name, module in list(sys.modules.items()):
        if name.startswith("jackfield_sdk") and hasattr(module, "log"):
            vars(module.log).pop("bind", None)


@pytest.fixture
def driver():
    driver = RecordingDriver()
    driver.attributes = (Attribute(Kind.PORT, "key", {"type": ["string", "object"]}),)
    return driver


@pytest.fixture
async def core(driver, tmp_path):
    async with running(driver, tmp_path) as core:
        yield core


def a_secret_port(network):
    port = a_port(network, "host-1")
    return replace(port, binding=Binding("host-1", profile={"login": {"password": SENTINEL}}))


async def quote(context):
    """Fail as a vendor's library does: with everything that it knows."""
    known = context.port if hasattr(context, "port") else context.current
    attributes = getattr(context, "attributes", {})
    state = getattr(context, "state", None)
    data = state.data if state else b""
    try:
        raise ValueError(dict(known.binding.profile), dict(attributes), data)
    except ValueError as error:
        raise RuntimeError(f"login failed with {known.binding.profile['login']['password']}") from error


@pytest.mark.parametrize("as_json", [True, False])
async def test_an_exception_that_quotes_a_secret_is_logged_without_it(driver, core, capsys, log_as, as_json):
    """The trace stays, and says where; cause and text are masked, in every hook."""
    log_as("debug", json=as_json)
    network = a_network()
    port = a_secret_port(network)
    more = {"network": network, "attributes": {"key": {"deep": [SENTINEL]}}, "state": DriverState(1, SENTINEL.encode())}
    for hook in ("create_port_precommit", "create_port_postcommit", "bind_port"):
        driver.script.answer(hook, quote)

    answers = [
        await core.precommit(Action.CREATE, port, **more),
        await core.postcommit(Action.CREATE, port, **more),
        await core.bind(port, network, a_host()),
    ]

    logged = capsys.readouterr().err
    assert leaks(driver.script.called("create_port_precommit")[0].attributes["key"]["deep"][0])
    assert not leaks(str(answers))
    assert not leaks(logged)
    assert logged.count("hook.failed") == 3
    assert logged.count("login failed with ***") == 3
    assert "in quote" in logged


async def test_calls_are_logged_for_debugging_without_their_secrets(driver, core, capsys, log_as):
    """Requests and answers as they are on the wire, with the sensitive fields masked."""
    log_as("debug", json=True)
    network = a_network()
    driver.script.answer("create_port_precommit", Accepted(DriverState(1, SENTINEL.encode()), {"key": SENTINEL}))
    await core.precommit(Action.CREATE, a_secret_port(network), network=network, attributes={"key": SENTINEL})

    logged = capsys.readouterr().err
    (line,) = [each for each in map(json.loads, logged.splitlines()) if each["event"] == "call.answered"]
    assert not leaks(logged)
    assert 'profile: "***"' in line["request"]
    assert network.id in line["request"]
    assert 'value: "***"' in line["answer"]


async def test_a_state_that_cannot_be_upgraded_is_not_quoted(tmp_path, capsys, log_as):
    """Neither in the log nor in the answer."""
    log_as("info", json=True)

    class Careless(RecordingDriver):
        def upgrade_state(self, kind, id, state, to_version):
            raise KeyError(state.data.decode())

    async with running(Careless(), tmp_path) as core:
        answers = await core.upgrade_states(1, {(Kind.PORT, "p"): DriverState(1, SENTINEL.encode())})

    logged = capsys.readouterr().err
    assert "KeyError: '***'" in logged
    assert not leaks(logged + str(answers))


async def test_no_repr_shows_a_secret(driver, core):
    """Contexts, resources, states and answers are printed by every vendor sooner or later."""
    network = a_network()
    port = a_secret_port(network)
    state = DriverState(1, SENTINEL.encode())
    await core.precommit(Action.CREATE, port, network=network, attributes={"key": SENTINEL}, state=state)
    await core.bind(port, network, a_host())
    (context,), (bind,) = (driver.script.called(hook) for hook in ("create_port_precommit", "bind_port"))

    values = (context, context.current, context.attributes, context.state, bind, Accepted(state, {"key": SENTINEL}))
    for value in (*values, Done(state, {"key": SENTINEL})):
        assert not leaks(f"{value} {value!r}"), type(value).__name__


def test_what_is_masked_follows_from_the_descriptor():
    """A field that becomes sensitive is masked without a change of code; the rest stays readable."""
    change = change_pb2.Change(id="p-1", attributes={"key": b'"s3cret"'}, state=change_pb2.DriverState(data=b"s3cret"))
    change.current.port.binding.CopyFrom(binding_pb2.Binding(host="host-1", profile=b'{"a": "s3cret"}'))

    text = masked(change)

    assert "s3cret" not in text
    assert 'host: "host-1"' in text
    assert 'id: "p-1"' in text
    assert change.state.data == b"s3cret"


def sensitive_fields(descriptor, seen=()):
    """Walk through all sensitive fields below a message, by their full names."""
    for field in descriptor.fields:
        if field.GetOptions().Extensions[sensitive_pb2.sensitive]:
            yield field.full_name
        elif field.message_type is not None and field.message_type not in seen:
            yield from sensitive_fields(field.message_type, (*seen, descriptor))


def fill(message):
    """Put the sentinel into every sensitive field that is set; return their full names."""
    filled = set()
    for field, value in message.ListFields():
        if field.GetOptions().Extensions[sensitive_pb2.sensitive]:
            filled.add(field.full_name)
            if isinstance(value, bytes):
                setattr(message, field.name, json.dumps({"secret": SENTINEL}).encode())
            else:
                value["key"] = json.dumps(SENTINEL).encode()
        elif field.message_type is not None:
            for each in value if field.is_repeated else [value]:
                filled |= fill(each)
    return filled


def test_every_field_that_the_contract_marks_is_masked_in_the_repr_of_a_context():
    """A field that is marked later fails here until its value is masked as well."""
    network = a_network()
    wanted = Wanted(
        Action.CREATE,
        a_secret_port(network),
        original=a_secret_port(network),
        network=network,
        host=a_host(),
        attributes={"key": ""},
        state=DriverState(1, b"x"),
    )
    change = _changes.change("1", wanted)

    filled = fill(change)
    context = decode.Decoder(None, {Kind.PORT: frozenset({"key"})}).change(Kind.PORT, Action.CREATE, change)

    assert filled == set(sensitive_fields(change_pb2.Change.DESCRIPTOR))
    assert leaks(str(dict(context.current.binding.profile)))
    assert not leaks(f"{context} {context!r} {masked(change)}")


def test_harmless_words_of_a_trace_stay():
    """A short value would take half of the text away."""
    change = change_pb2.Change(attributes={"a": b'"on"', "b": b'"line"'})

    text = trace_of(RuntimeError("connection on line refused"), change)

    assert text == "RuntimeError: connection on *** refused"
