"""Bindings that wait, on both databases."""

from typing import Any

import pytest
from jackfield_core.db.inactive_binding import InactiveBinding
from jackfield_core.db.port import Binding, Port
from jackfield_core.types import BindingLevel


@pytest.fixture
async def port(unit_of_work: Any, rows: Any) -> Port:
    """Insert a port on a network of its own."""
    network = rows.network()
    port: Port = rows.port(network)
    async with unit_of_work() as tx:
        await tx.networks.add(network)
        await tx.ports.add(port)
    return port


def waiting(port: Port, host: str, **binding: Any) -> InactiveBinding:
    """Return a binding of *port* on a host, to segment "s"."""
    levels = (BindingLevel(0, "fabric", "s"), BindingLevel(1, "ovs", "dynamic"))
    return InactiveBinding(port.id, Binding(host=host, vif_type="ovs", **binding), levels)


async def test_what_was_stored_is_read_again(unit_of_work: Any, port: Port) -> None:
    """A binding comes back with everything, levels and reasons included, in order of the hosts."""
    failures = ({"driver": "leaf", "level": 0, "reason": "no such host"},)
    stored = [waiting(port, "a"), waiting(port, "b", vif_details={"bridge_name": "br"}, failures=failures)]

    async with unit_of_work() as tx:
        for one in reversed(stored):
            assert await tx.inactive_bindings.add(one)

    async with unit_of_work.reading() as tables:
        assert await tables.inactive_bindings.of_port(port.id) == stored
        assert await tables.inactive_bindings.of_port("other") == []


async def test_a_port_waits_once_on_a_host(unit_of_work: Any, port: Port) -> None:
    """A second binding on a host is not stored, and one that is not there is not removed."""
    async with unit_of_work() as tx:
        assert await tx.inactive_bindings.add(waiting(port, "a", profile={"first": True}))
        assert not await tx.inactive_bindings.add(waiting(port, "a"))
        assert not await tx.inactive_bindings.remove(port.id, "b")
        (kept,) = await tx.inactive_bindings.of_port(port.id)
        assert kept.binding.profile == {"first": True}

        assert await tx.inactive_bindings.remove(port.id, "a")
        assert await tx.inactive_bindings.of_port(port.id) == []


async def test_bindings_hold_their_segments_and_go_with_their_port(unit_of_work: Any, port: Port) -> None:
    """The segment of every level is in use, until the port is deleted; with its row the bindings go."""

    async def held(id: str) -> bool:
        async with unit_of_work.reading() as tables:
            return await tables.inactive_bindings.uses_segment(port.network_id, id)

    async with unit_of_work() as tx:
        await tx.inactive_bindings.add(waiting(port, "a"))
    assert [await held(id) for id in ("s", "dynamic", "other")] == [True, True, False]

    async with unit_of_work() as tx:
        await tx.ports.mark_deleted(port.id)
    assert not await held("s")

    async with unit_of_work() as tx:
        await tx.ports.purge([port.id])
        assert await tx.inactive_bindings.of_port(port.id) == []
