"""A vendor's own attributes and states: declared once, checked at start, handed over as agreed."""

from __future__ import annotations

import json
from dataclasses import replace

import grpc
import pytest
from jackfield_sdk import (
    Accepted,
    Action,
    Attribute,
    Done,
    DriverState,
    Kind,
    MechanismDriver,
    NetworkContext,
    StateVersions,
)
from jackfield_sdk.testing import Failed, RecordingDriver, a_network, a_port, running

COLOUR = Attribute(Kind.NETWORK, "colour", {"enum": ["red", "green"]})
SECRET = Attribute(Kind.PORT, "secret", {"type": "string"}, version=2, mutable=False, sensitive_paths=("",))
RACK = Attribute(Kind.PORT, "rack", {"type": "object"}, read_only=True, operator_only=True)


class Vendor(MechanismDriver):
    name = "vendor"

    def __init__(self, *attributes, state_versions=None):
        self.attributes = attributes
        self.state_versions = state_versions


@pytest.fixture
def driver():
    driver = RecordingDriver()
    driver.attributes = (COLOUR, SECRET, RACK)
    driver.state_versions = StateVersions(1, 2)
    return driver


@pytest.fixture
async def core(driver, tmp_path):
    async with running(driver, tmp_path) as core:
        yield core


async def digest_of(tmp_path, *attributes):
    async with running(Vendor(*attributes), tmp_path) as core:
        return (await core.handshake()).schema_digest


async def load_error_of(driver, tmp_path):
    async with running(driver, tmp_path) as core:
        return (await core.handshake()).load_error


async def test_what_is_declared_is_what_the_core_fetches(core):
    """Every field of the declaration, and nothing again for a digest that is known."""
    handshake = await core.handshake()
    rack, secret, colour = sorted(await core.schemas(), key=lambda each: (-each.kind, each.name))

    assert {"attributes", "states"} <= set(handshake.features)
    assert (colour.name, colour.version, colour.mutable) == ("colour", 1, True)
    assert json.loads(colour.json_schema) == COLOUR.schema
    assert (secret.version, secret.mutable, list(secret.sensitive_paths)) == (2, False, [""])
    assert (rack.read_only, rack.operator_only) == (True, True)
    assert await core.schemas(handshake.schema_digest) == []
    assert len(await core.schemas(b"another")) == 3


async def test_a_driver_without_attributes_and_states_names_neither_feature(tmp_path):
    """The core then stores nothing and asks nothing."""
    async with running(Vendor(), tmp_path) as core:
        handshake = await core.handshake()
        assert await core.schemas() == []
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await core.upgrade_states(1, {})

    assert list(handshake.features) == ["watch"]
    assert not handshake.HasField("state_version")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_the_digest_changes_if_and_only_if_a_declaration_does(tmp_path):
    """Neither the order of attributes nor that of a schema's keywords counts; everything else does."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}
    turned = {"properties": {"b": {"type": "integer"}, "a": {"type": "string"}}, "type": "object"}
    first = Attribute(Kind.NETWORK, "policy", schema)
    changes = {
        "kind": Kind.PORT,
        "name": "rule",
        "schema": {"type": "object"},
        "version": 2,
        "mutable": False,
        "sensitive_paths": ("/a",),
        "read_only": True,
        "operator_only": True,
    }

    digest = await digest_of(tmp_path, first, COLOUR)
    others = [await digest_of(tmp_path, replace(first, **{field: to}), COLOUR) for field, to in changes.items()]

    assert await digest_of(tmp_path, COLOUR, replace(first, schema=turned)) == digest
    assert len({digest, await digest_of(tmp_path, COLOUR), await digest_of(tmp_path), *others}) == 11


@pytest.mark.parametrize(
    ("attribute", "told"),
    [
        (replace(COLOUR, name="Colour"), "[a-z][a-z0-9_]*"),
        (replace(COLOUR, name="a" * 64), "at most 63 bytes"),
        (replace(COLOUR, sensitive_paths=("/a",) * 65), "there are 65 sensitive paths"),
        (replace(COLOUR, version=0), "the version is not from 1"),
        (replace(COLOUR, sensitive_paths=("colour",)), "no JSON pointer"),
        (replace(COLOUR, schema={"type": "colour"}), "the schema is wrong at /type"),
        (replace(COLOUR, schema={"pattern": "(?=a)b"}), "the schema is wrong at /pattern"),
        (replace(COLOUR, schema={"enum": {1, 2}}), "the schema is no JSON"),
        (replace(COLOUR, schema=["red"]), "the schema is no JSON object"),
        (replace(COLOUR, schema={"enum": ["x" * 65_536]}), "65536 are allowed"),
        (replace(COLOUR, schema={"$ref": "https://example.com/colour"}), "which is outside of it"),
        (replace(COLOUR, schema={"$ref": "#/$defs/colour"}), "which is not there"),
        (replace(COLOUR, schema={"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}), "from within it"),
        (replace(COLOUR, schema={"$id": "https://example.com/colour"}), 'has "$id", which is not served'),
        (replace(COLOUR, schema={"$schema": "http://json-schema.org/draft-04/schema#"}), "not of https"),
    ],
)
async def test_a_wrong_declaration_is_the_load_error_and_names_the_attribute(tmp_path, attribute, told):
    """Whoever wrote it reads what to mend in the core's list of drivers."""
    error = await load_error_of(Vendor(SECRET, attribute), tmp_path)

    assert f'attribute "{attribute.name}" of network: ' in error
    assert told in error


async def test_what_the_core_could_not_take_is_a_load_error(tmp_path):
    """Two attributes of one name, things that are none, versions in the wrong order, a name that is none."""
    assert 'attribute "colour" of network is declared twice' in await load_error_of(Vendor(COLOUR, COLOUR), tmp_path)
    assert "attributes holds dict" in await load_error_of(Vendor({"name": "colour"}), tmp_path)
    misnamed = Vendor()
    misnamed.name = "Vendor_1"
    assert 'the name "Vendor_1" is not of lower case letters' in await load_error_of(misnamed, tmp_path)
    versions = Vendor(state_versions=StateVersions(3, 2))
    assert "state_versions: 3 is read and 2 written" in await load_error_of(versions, tmp_path)


async def test_values_arrive_decoded_and_unknown_names_do_not(driver, core):
    """What a later release declared is none of this one's business."""
    values = {"colour": "red", "from_the_future": 1}
    await core.precommit(Action.CREATE, a_network(), attributes=values)

    (context,) = driver.script.called("create_network_precommit")
    assert context.attributes == {"colour": "red"}


async def test_values_are_set_in_both_phases(driver, core):
    """They reach the core under their bare names."""
    network = a_network()
    driver.script.answer("create_network_precommit", Accepted(attributes={"colour": "red"}))
    driver.script.answer("create_port_postcommit", Done(attributes={"rack": {"row": 7}}))

    assert await core.precommit(Action.CREATE, network) == Accepted(attributes={"colour": "red"})
    done = await core.postcommit(Action.CREATE, a_port(network), network=network)
    assert done.attributes == {"rack": {"row": 7}}


async def test_none_takes_a_value_away(driver, core):
    """Whatever the schema says of null."""
    driver.script.answer("create_network_precommit", Accepted(attributes={"colour": None}))

    assert await core.precommit(Action.CREATE, a_network()) == Accepted(attributes={"colour": None})


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"color": "s3cret"}, 'the driver set attribute "color" of network and declares colour'),
        ({"colour": "s3cret"}, 'the driver set attribute "colour" of network against its schema, at /enum'),
        ({"colour": {"s3cret"}}, 'the driver set attribute "colour" of network to what is no JSON'),
        ({"colour": "x" * 65_535}, 'the driver set attribute "colour" of network to 65537 bytes of 65536'),
        ({"rack": {}}, 'the driver set attribute "rack" of network and declares colour'),
    ],
)
async def test_a_value_that_was_not_declared_so_is_a_fault_that_is_named(driver, core, values, told):
    """The core would throw the whole answer away; here one change fails, and its value stays inside."""
    driver.script.answer("create_network_precommit", Accepted(attributes=values))
    driver.script.answer("create_network_postcommit", Done(attributes=values))

    judged = await core.precommit(Action.CREATE, a_network())
    acted = await core.postcommit(Action.CREATE, a_network())

    for failed in (judged, acted):
        assert (failed.disposition, failed.reason, failed.operator_message) == ("BUG", "DRIVER_BUG", told)


async def test_a_core_is_sent_only_what_it_said_it_keeps(driver, core):
    """An older core knows neither attributes nor states."""
    answer = Accepted(DriverState(2, b"x"), {"colour": "red"})
    driver.script.answer("create_network_precommit", *[answer] * 3)

    await core.handshake(features=["states"])
    assert await core.precommit(Action.CREATE, a_network()) == Accepted(DriverState(2, b"x"))
    await core.handshake(features=["attributes", "of the future"])
    assert await core.precommit(Action.CREATE, a_network()) == Accepted(attributes={"colour": "red"})
    await core.handshake(features=[])
    assert await core.precommit(Action.CREATE, a_network()) == Accepted()


async def test_hooks_know_which_version_of_state_to_write(driver, core):
    """The newest, until the core says that it holds an older one."""

    async def remember(context: NetworkContext) -> Done:
        return Done(DriverState(driver.write_state_version, b"x"))

    driver.script.answer("create_network_postcommit", remember, remember, remember)
    written = []
    for pinned in (None, 1, 2):
        await core.handshake(write_state_version=pinned)
        written.append((await core.postcommit(Action.CREATE, a_network())).state.version)

    assert written == [2, 1, 2]


async def test_a_state_of_another_version_than_told_is_a_fault_that_is_named(driver, core):
    """A release that the operator may go back to could not read it."""
    driver.script.answer("create_network_postcommit", Done(DriverState(2, b"x")))
    await core.handshake(write_state_version=1)

    failed = await core.postcommit(Action.CREATE, a_network())

    assert isinstance(failed, Failed)
    assert failed.operator_message == "the driver wrote state of version 2, and was told to write 1"


async def test_a_hook_that_was_at_work_while_an_upgrade_was_finalised_did_no_wrong(tmp_path):
    """Its state is rewritten on the way out, because the core no longer takes the older version."""

    class Upgrading(RecordingDriver):
        state_versions = StateVersions(1, 2)

        def upgrade_state(self, kind, id, state, to_version):
            return DriverState(to_version, state.data.upper())

    driver = Upgrading()
    async with running(driver, tmp_path) as core:

        async def finalised_meanwhile(context: NetworkContext) -> Done:
            state = DriverState(driver.write_state_version, b"x")
            await core.handshake(write_state_version=2)
            return Done(state)

        driver.script.answer("create_network_postcommit", finalised_meanwhile)
        await core.handshake(write_state_version=1)
        done = await core.postcommit(Action.CREATE, a_network())

    assert done.state == DriverState(2, b"X")


async def test_a_state_of_a_driver_that_declares_none_is_a_fault_that_is_named(tmp_path):
    """The core pins versions, so it has to know them."""
    driver = RecordingDriver()
    driver.state_versions = None
    driver.script.answer("create_network_precommit", Accepted(DriverState(1, b"x")))
    async with running(driver, tmp_path) as core:
        failed = await core.precommit(Action.CREATE, a_network())

    assert failed.operator_message == "the driver wants a state kept and declares no state_versions"


async def test_states_are_brought_to_a_version_that_the_driver_speaks(tmp_path):
    """One that is rewritten to another version than asked is a fault; a version out of range is refused."""

    class Upgrading(Vendor):
        def upgrade_state(self, kind, id, state, to_version):
            return DriverState(1 if id == "stuck" else to_version, state.data.upper())

    states = {(Kind.PORT, "good"): DriverState(1, b"x"), (Kind.NETWORK, "stuck"): DriverState(1, b"x")}
    async with running(Upgrading(state_versions=StateVersions(1, 2)), tmp_path) as core:
        upgraded = await core.upgrade_states(2, states)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await core.upgrade_states(3, states)

    assert upgraded["good"] == DriverState(2, b"X")
    assert upgraded["stuck"].operator_message == "the driver wrote state of version 1, and was told to write 2"
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
