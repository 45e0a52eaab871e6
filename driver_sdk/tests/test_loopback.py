"""The loopback driver: it keeps what it is told, refuses what it was told to refuse, and remembers."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from jackfield_sdk import (
    Accepted,
    Action,
    Bound,
    Done,
    InProgress,
    Kind,
    Owned,
    Phase,
    Rejected,
    Skip,
)
from jackfield_sdk.examples.loopback import Fabric, LoopbackDriver, LoopbackOptions, revisions_in
from jackfield_sdk.testing import Failed, a_host, a_network, a_port, a_segment, a_subnet, running


@pytest.fixture
def fabric():
    return Fabric("fabric-a")


@pytest.fixture
async def core(fabric, tmp_path):
    async with running(LoopbackDriver(fabric), tmp_path) as core:
        yield core


async def test_the_fabric_holds_what_it_was_told_until_it_is_deleted(core, fabric):
    """Networks, subnets and ports, each with its revision."""
    network = a_network()
    subnet, port = a_subnet(network), a_port(network, "host-1")
    await core.postcommit(Action.CREATE, network, 1)
    await core.postcommit(Action.CREATE, subnet, 2, network=network)
    await core.postcommit(Action.CREATE, port, 3, network=network)
    await core.postcommit(Action.UPDATE, replace(port, name="new"), 4, network=network)

    assert fabric.networks == {network.id: (1, network)}
    assert fabric.subnets == {subnet.id: (2, subnet)}
    assert fabric.ports == {port.id: (4, replace(port, name="new"))}

    for resource in (port, subnet, network):
        for _ in range(2):
            assert await core.postcommit(Action.DELETE, resource, 9, network=network) == Done(revision=9)
    assert (fabric.networks, fabric.subnets, fabric.ports) == ({}, {}, {})


async def test_precommit_leaves_no_trace(core, fabric):
    """It judges, and touches nothing."""
    network = a_network()

    assert await core.precommit(Action.CREATE, network) == Accepted()
    assert await core.precommit(Action.CREATE, a_port(network), network=network) == Accepted()
    assert (fabric.networks, fabric.ports) == ({}, {})


async def test_a_test_tells_the_fabric_to_refuse_and_to_accept_again(core, fabric):
    """A kind means create and update; one action can be named."""
    network = a_network()
    fabric.reject("network", reason="VLAN 7 is reserved")
    fabric.reject("delete_port", reason="the port is in use")

    refused = await core.precommit(Action.CREATE, network)
    assert isinstance(refused, Rejected)
    assert refused.message == "VLAN 7 is reserved"
    assert isinstance(await core.precommit(Action.UPDATE, network), Rejected)
    assert await core.precommit(Action.DELETE, network) == Accepted()
    assert isinstance(await core.precommit(Action.DELETE, a_port(network), network=network), Rejected)
    assert await core.precommit(Action.CREATE, a_port(network), network=network) == Accepted()

    fabric.accept()
    assert await core.precommit(Action.CREATE, network) == Accepted()


async def test_names_and_vlans_can_be_reserved(core, fabric):
    """The sentences name the object and the fact."""
    fabric.refused_names = ["forbidden*"]
    fabric.reserved_vlans = {7}

    name = await core.precommit(Action.CREATE, a_network(name="forbidden-1"))
    vlan = await core.precommit(Action.CREATE, a_network(a_segment("vlan", 7)))

    assert (name.message, name.reason) == (
        'network name "forbidden-1" is reserved on this fabric',
        "NAME_RESERVED",
    )
    assert (vlan.message, vlan.reason, vlan.field) == ("VLAN 7 is reserved on fabric fabric-a", "VLAN_RESERVED", "")
    assert await core.precommit(Action.CREATE, a_network(a_segment("vxlan", 7), name="allowed")) == Accepted()


async def test_failures_in_postcommit_are_told_and_leave_nothing(core, fabric):
    """Retried, for good, or in progress."""
    network = a_network()
    fabric.fail_postcommit("network", "leaf1 is rebooting")
    failed = await core.postcommit(Action.CREATE, network)
    fabric.infeasible("create_network", "leaf1 has no room")
    infeasible = await core.postcommit(Action.CREATE, network)

    assert failed == Failed("RETRY", "TOLD_TO_FAIL", "", "leaf1 is rebooting", "NONE")
    assert infeasible == Failed("INFEASIBLE", "TOLD_INFEASIBLE", "", "leaf1 has no room", "NONE")
    assert fabric.networks == {}
    fabric.accept()
    fabric.in_progress(2)
    answers = [await core.postcommit(Action.CREATE, network) for _ in range(3)]
    assert answers == [InProgress(0.05), InProgress(0.05), Done(revision=1)]


async def test_delays_are_per_phase(core, fabric):
    """A slow fabric is told to be slow, and where it is not, it does not wait for where it is."""
    network = a_network()
    fabric.delay(precommit=0.1)
    fabric.delay(bind=0.1)

    async def seconds(call):
        before = time.monotonic()
        await call
        return time.monotonic() - before

    assert await seconds(core.precommit(Action.CREATE, network)) >= 0.1
    assert await seconds(core.bind(a_port(network), network, a_host())) >= 0.1
    fabric.delay(precommit=3600, bind=3600)
    assert await core.postcommit(Action.CREATE, network) == Done(revision=1)


async def test_ports_are_bound_to_the_first_segment_of_a_type_it_carries(fabric, tmp_path):
    """Wired, so that no agent is waited for."""
    options = LoopbackOptions(network_types=frozenset({"vlan"}), vif_type="ovs")
    network = a_network(a_segment("vxlan", 7), a_segment("vlan", 7))
    async with running(LoopbackDriver(fabric, options), tmp_path) as core:
        bound = await core.bind(a_port(network), network, a_host())
        skipped = await core.bind(a_port(network), network, a_host(), segments=network.segments[:1])

    assert bound == Bound(network.segments[1].id, "ovs", {"fabric": "fabric-a"}, wired=True)
    assert skipped == Skip("no segment of a type that fabric fabric-a carries")


@pytest.mark.parametrize(
    ("options", "phases", "binds"),
    [
        (LoopbackOptions(), {Phase.PRECOMMIT, Phase.POSTCOMMIT}, True),
        (LoopbackOptions(precommit=False, bind=False), {Phase.POSTCOMMIT}, False),
        (LoopbackOptions(postcommit=False), {Phase.PRECOMMIT}, True),
        (LoopbackOptions(precommit=False, postcommit=False), set(), True),
    ],
)
def test_only_what_is_enabled_is_declared(options, phases, binds):
    """A driver without precommit costs a create nothing."""
    driver = LoopbackDriver(options=options)

    assert {phase for interest in driver.interests() for phase in interest.phases} == phases
    assert (driver.bind_capability() is not None) == binds
    assert {interest.kind for interest in driver.interests()} == (set(Kind) if phases else set())


async def test_what_is_owned_is_listed_with_the_digests_of_the_core(core, fabric):
    """The core compares, and sends again what differs."""
    network = a_network()
    await core.postcommit(Action.CREATE, network, 4)
    await core.postcommit(Action.CREATE, a_port(network), 2, network=network)

    (owned,) = await core.list_owned(Kind.NETWORK)

    assert owned == Owned(Kind.NETWORK, network.id, 4, fabric.mark(Kind.NETWORK, network.id).digest, "fabric-a")
    assert len(owned.digest) == 32
    assert len(await core.list_owned()) == 2


async def test_a_dry_run_tells_the_difference_and_makes_none(core, fabric):
    """Add, change, remove, or nothing."""
    network = a_network()
    renamed = replace(network, name="new")

    assert await core.diff(Action.CREATE, network, 1) == [f"add network {network.id} at revision 1"]
    assert await core.diff(Action.DELETE, network, 1) == []
    assert fabric.networks == {}
    await core.postcommit(Action.CREATE, network, 1)
    assert await core.diff(Action.UPDATE, network, 1) == []
    assert await core.diff(Action.UPDATE, renamed, 2) == [
        f'change network {network.id}: name is "{network.name}" instead of "new"'
    ]
    assert await core.diff(Action.DELETE, network, 3) == [f"remove network {network.id}"]


async def test_a_port_that_is_not_wired_is_reported_up_by_an_event(fabric, tmp_path):
    """Bound to a host and administratively up; a wired one needs no event."""
    network = a_network()
    port = a_port(network, "host-1")
    async with running(LoopbackDriver(fabric, LoopbackOptions(wired=False)), tmp_path) as core:
        await core.postcommit(Action.CREATE, a_port(network), 1, network=network)
        await core.postcommit(Action.CREATE, port, 3, network=network)
        stream = core.watch()
        events = [await anext(stream) for _ in range(3)]

    assert [event.WhichOneof("event") for event in events] == ["backend", "port_status", "in_sync"]
    status = events[1].port_status
    assert (status.port_id, status.up, status.observed_revision) == (port.id, True, 3)


async def test_a_wiped_fabric_has_a_new_epoch(core, fabric):
    """The core sends everything again when it sees another epoch."""
    before = (await core.handshake()).backends[0].epoch
    await core.postcommit(Action.CREATE, a_network())

    fabric.wipe()

    assert fabric.networks == {}
    assert (await core.handshake()).backends[0].epoch != before


async def test_a_state_file_keeps_fabric_and_epoch_over_a_restart(tmp_path):
    """All but the secrets, which have no place in a file."""
    path = tmp_path / "fabric.db"
    options = LoopbackOptions(state_file=path, attributes=True)
    network = a_network()
    port = a_port(network, "host-1")
    port = replace(port, binding=replace(port.binding, profile={"password": "s3cret"}))
    gone = a_network()
    first = Fabric("a")
    async with running(LoopbackDriver(first, options), tmp_path) as core:
        values = {"colour": "red", "secret": "s3cret"}
        await core.postcommit(Action.CREATE, network, 2, attributes=values)
        await core.postcommit(Action.CREATE, port, 3, network=network)
        await core.postcommit(Action.CREATE, gone, 1)
        await core.postcommit(Action.DELETE, gone, 2)
        written = b"".join(each.read_bytes() for each in tmp_path.glob("fabric.db*"))

    second = Fabric("a")
    async with running(LoopbackDriver(second, options), tmp_path) as core:
        epoch = (await core.handshake()).backends[0].epoch
        assert await core.diff(Action.UPDATE, network, 2, attributes=values) == []

    assert b"s3cret" not in written
    assert epoch == first.epoch
    assert second.networks == first.networks == {network.id: (2, network)}
    assert [mark.digest for mark in second.marks.values()] == [mark.digest for mark in first.marks.values()]
    assert second.mark(Kind.NETWORK, network.id).attributes == {"colour": "red"}
    assert second.ports[port.id].value.mac_address == port.mac_address
    assert revisions_in(path) == {"network": {network.id: 2}, "subnet": {}, "port": {port.id: 3}}


async def test_two_releases_share_a_state_file_while_one_takes_over(tmp_path):
    """Each sees what the other did, and neither undoes a later write or hides a factory reset."""
    path, network, other = tmp_path / "fabric.db", a_network(), a_network()
    options = LoopbackOptions(state_file=path)
    old, new = Fabric("a"), Fabric("a")
    for each in ("old", "new"):
        (tmp_path / each).mkdir()
    async with (
        running(LoopbackDriver(old, options), tmp_path / "old") as before,
        running(LoopbackDriver(new, options), tmp_path / "new") as after,
    ):
        assert (await before.handshake()).backends == (await after.handshake()).backends
        await before.postcommit(Action.CREATE, network, 1)
        await after.postcommit(Action.UPDATE, replace(network, name="new"), 3)
        await after.postcommit(Action.CREATE, other, 1)

        assert await before.postcommit(Action.UPDATE, replace(network, name="late"), 2) == Done(revision=3)
        assert {owned.id for owned in await before.list_owned()} == {network.id, other.id}
        await after.postcommit(Action.DELETE, other, 2)
        assert [owned.revision for owned in await before.list_owned()] == [3]

        old.wipe()
        assert await after.list_owned() == []
        assert (await after.handshake()).backends[0].epoch == old.epoch


async def test_without_a_state_file_every_process_has_a_new_epoch():
    """Its memory is gone, and the core has to know."""
    assert Fabric().epoch != Fabric().epoch


async def test_a_broken_state_file_is_a_load_error_and_stays_as_it_is(tmp_path):
    """Overwriting it would lose what may be repaired."""
    path = tmp_path / "fabric.db"
    path.write_text("{broken")
    async with running(LoopbackDriver(options=LoopbackOptions(state_file=path)), tmp_path) as core:
        assert "failed to start" in (await core.handshake()).load_error

    assert path.read_text() == "{broken"


async def test_a_script_is_obeyed_as_soon_as_it_changes(fabric, tmp_path):
    """The demo breaks and mends a fabric by writing a file; a broken file changes nothing."""
    script = tmp_path / "script.json"
    async with running(LoopbackDriver(fabric, LoopbackOptions(script=script)), tmp_path) as core:
        network = a_network()
        assert await core.precommit(Action.CREATE, network) == Accepted()
        script.write_text(
            json.dumps({"reject": {"network": "maintenance"}, "fail_postcommit": {"port": "leaf1 is down"}})
        )
        assert isinstance(await core.precommit(Action.CREATE, network), Rejected)
        failed = await core.postcommit(Action.CREATE, a_port(network), network=network)
        assert failed.operator_message == "leaf1 is down"
        script.write_text('{"reject": {"network": ')
        assert isinstance(await core.precommit(Action.CREATE, network), Rejected)
        script.write_text('{"rejct": {"network": "a typing error"}}')
        assert isinstance(await core.precommit(Action.CREATE, network), Rejected)
        script.unlink()
        assert await core.precommit(Action.CREATE, network) == Accepted()


async def test_its_attributes_are_told_by_users_and_by_itself(fabric, tmp_path):
    """A colour is held, a port's rack is set once, and both are declared only if that is asked for."""
    network = a_network()
    port = a_port(network, "host-1")
    async with running(LoopbackDriver(fabric, LoopbackOptions(attributes=True)), tmp_path) as core:
        names = {schema.name for schema in await core.schemas()}
        await core.postcommit(Action.CREATE, network, attributes={"colour": "red"})
        first = await core.postcommit(Action.CREATE, port, network=network)
        again = await core.postcommit(Action.CREATE, port, network=network, attributes=first.attributes)
        unbound = await core.postcommit(Action.CREATE, a_port(network), network=network)

    assert names == {"colour", "secret", "rack"}
    assert fabric.mark(Kind.NETWORK, network.id).attributes == {"colour": "red"}
    assert first.attributes == {"rack": "rack of host-1"}
    assert (again.attributes, unbound.attributes) == ({}, {})
    assert LoopbackDriver(fabric).attributes == ()
