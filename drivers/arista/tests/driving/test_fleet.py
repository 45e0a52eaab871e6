"""Many switches, half of them dead: each has its own pace, and an edit for everything that comes together."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from arista_site import Site, a_vlan, plugged, until, until_done
from jackfield_sdk import Done
from jackfield_sdk.testing import Core, Wanted
from support.ports import free_port

LIVING, DEAD = ("leaf0", "leaf1", "leaf2"), ("leaf3", "leaf4", "leaf5")


@pytest.fixture
def rack(site: Site) -> Iterator[Site]:
    """Switches that answer, one that refuses connections, and two that accept them and say nothing."""
    with ExitStack() as stack:
        for name in LIVING:
            site.fake(name, group=name)
        for name in DEAD[1:]:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            site.dead(name, listener.getsockname()[1], group=name)
        site.dead(DEAD[0], free_port(), group=DEAD[0])
        for name in (*LIVING, *DEAD):
            site.attach(f"host-{name}", name, "Ethernet1")
        yield site


def ports_on(names: tuple[str, ...], number: int) -> list[Wanted]:
    """Make ports on the hosts of switches in turn, each on a network of its own."""
    return [plugged(a_vlan(2 + index, name), f"host-{name}") for index in range(number) for name in names]


async def test_the_living_half_is_true_in_one_edit_for_a_batch(rack: Site):
    """The dead ones answer for themselves, and do not hold the batch up."""
    changes = ports_on((*LIVING, *DEAD), 10)
    async with rack.driver(connect_timeout=20.0, patience=2.0) as core:
        await core.postcommit_all(changes)
        await until_done(core, *(change for change in changes if change.network.segments[0].physical_network in LIVING))
        edits = [len(rack.switches[name].payloads) for name in LIVING]

    assert edits == [1, 1, 1]
    for name in LIVING:
        assert rack.configuration(name).port("Ethernet1").trunk_vlans == {*range(2, 12)}


async def test_the_status_tells_for_each_switch_how_it_is(rack: Site):
    """Those that answer are up; the others are down since when and why."""
    async with rack.driver(connect_timeout=5.0, patience=1.0) as core:
        await core.postcommit_all(ports_on((*LIVING, *DEAD), 1))
        told = await until(lambda: _all_known(core))

    assert [told[name].health for name in LIVING] == [1, 1, 1]
    for name in LIVING:
        assert "last edit" in told[name].message
    for name in DEAD:
        assert told[name].health == 3
        assert name in told[name].message
        assert "since" in told[name].message


async def test_a_batch_of_one_switch_is_one_edit_however_long_it_is(rack: Site):
    """Five hundred VLANs come and are there."""
    changes = [plugged(a_vlan(2 + index, "leaf0"), "host-leaf0") for index in range(500)]
    async with rack.driver(connect_timeout=5.0) as core:
        answers = await core.postcommit_all(changes)
        if not all(isinstance(answer, Done) for answer in answers):
            await until_done(core, *changes)

    assert len(rack.switches["leaf0"].payloads) == 1
    assert rack.configuration("leaf0").port("Ethernet1").trunk_vlans == {*range(2, 502)}


async def _all_known(core: Core) -> dict[str, object] | None:
    backends = {backend.id: backend for backend in (await core.handshake()).backends}
    is_settled = all("last edit" in backends[name].message for name in LIVING)
    return backends if is_settled and all(backends[name].health == 3 for name in DEAD) else None
