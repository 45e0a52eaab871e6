"""One call asks one driver to bind ports of one host."""

import pytest
from jackfield.driver.v1 import mechanism_pb2
from jackfield_core.mechanism import translate
from jackfield_core.mechanism.answers import BindAsk, Bound, Garbage, NextLevel, Skip, Veto


@pytest.fixture
def asks(rows):
    """Return two ports that ask for a binding."""
    tree = rows.tree()
    return [BindAsk(rows.port(f"port-{n}", tree, host="host-1"), tree, tree.segments) for n in range(2)]


def result(id, **outcome):
    """Return the answer to one request."""
    return mechanism_pb2.BindResult(request_id=id, **outcome)


def respond(*results):
    """Return an answer."""
    return mechanism_pb2.BindPortsResponse(results=results)


BOUND = mechanism_pb2.Bound(segment_id="seg-net-1", vif_type="ovs", vif_details=b'{"port_filter": true}', wired=True)
WANTED = mechanism_pb2.WantedSegment(network_type="vlan", physical_network="leaf1")
NEXT = mechanism_pb2.NextLevel(segment_id="seg-net-1", wanted=WANTED)


async def test_ports_are_offered_and_answers_return(world, asks):
    """The driver sees host, port, network and segments; the answers are plain values in the order of the questions."""
    fabric = await world.driver("fabric")
    fabric.answers("BindPorts", respond(result("1", next=NEXT), result("0", bound=BOUND)))
    core = await world.core(fabric)

    answers = await core.manager.bind_ports("fabric", translate.Host(name="host-1"), asks, 30.0)

    assert answers == [
        Bound("seg-net-1", "ovs", {"port_filter": True}, wired=True),
        NextLevel("seg-net-1", "vlan", "leaf1"),
    ]
    (request,) = fabric.requests("BindPorts")
    assert request.host.name == "host-1"
    assert [one.port.id for one in request.requests] == ["port-0", "port-1"]
    assert request.requests[0].segments[0].segmentation_id == 7
    assert request.requests[0].network.name == "blue"
    assert request.requests[0].port.binding.profile == b'{"key":"value"}'


async def test_skip_and_veto_bring_their_reasons(world, asks):
    """Reasons are passed on, on one line."""
    fabric = await world.driver("fabric")
    skip, veto = mechanism_pb2.Skip(reason="no agent\non host-1"), mechanism_pb2.Veto(reason="the host is locked")
    fabric.answers("BindPorts", respond(result("0", skip=skip), result("1", veto=veto)))
    core = await world.core(fabric)

    answers = await core.manager.bind_ports("fabric", translate.Host(name="host-1"), asks, 30.0)

    assert answers == [Skip("no agent on host-1"), Veto("the host is locked")]


def spoiled(**fields):
    """Return a binding with some fields wrong."""
    bound = mechanism_pb2.Bound()
    bound.CopyFrom(BOUND)
    bound.MergeFrom(mechanism_pb2.Bound(**fields))
    return respond(result("0", bound=bound), result("1", bound=BOUND))


GARBAGE = {
    "bytes": b"\xff\xff",
    "segment not offered": spoiled(segment_id="seg-elsewhere"),
    "no vif_type": respond(result("0", bound=mechanism_pb2.Bound(segment_id="seg-net-1")), result("1", bound=BOUND)),
    "failed vif_type": spoiled(vif_type="binding_failed"),
    "details no JSON": spoiled(vif_details=b"{"),
    "details no object": spoiled(vif_details=b"[1]"),
    "details no text": spoiled(vif_details=b'{"a": "\xff"}'),
    "next level of no type": respond(
        result("0", next=mechanism_pb2.NextLevel(segment_id="seg-net-1")), result("1", bound=BOUND)
    ),
    "next level on a foreign segment": respond(
        result("0", next=mechanism_pb2.NextLevel(segment_id="seg-2", wanted=WANTED)), result("1", bound=BOUND)
    ),
    "missing": respond(result("0", bound=BOUND)),
    "empty": respond(result("0"), result("1")),
}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_binds_nothing(world, asks, answer):
    """An answer with one wrong result counts for none of the ports."""
    fabric = await world.driver("fabric")
    fabric.answers("BindPorts", answer)
    core = await world.core(fabric)

    with pytest.raises(Garbage):
        await core.manager.bind_ports("fabric", translate.Host(name="host-1"), asks, 30.0)
