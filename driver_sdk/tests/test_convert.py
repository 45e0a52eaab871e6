"""What the core sends is what a hook sees, field by field, and secrets do not print."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest
from google.protobuf.descriptor import FieldDescriptor
from jackfield.driver.v1 import change_pb2
from jackfield_sdk import (
    Action,
    AddressPair,
    AllocationPool,
    Binding,
    BindingLevel,
    DhcpOption,
    DriverState,
    HostRoute,
    Kind,
    LldpNeighbour,
    Nic,
)
from jackfield_sdk._convert import decode, sync
from jackfield_sdk.testing import (
    _changes,
    _views,
    a_host,
    a_network,
    a_network_view,
    a_port,
    a_port_view,
    a_segment,
    a_subnet,
)
from jackfield_sdk.testing._changes import Wanted
from jackfield_sdk.views import ForwardingEntry


def decoded(wanted):
    change = _changes.change("1", wanted)
    names = {kind: frozenset(wanted.attributes) for kind in Kind}
    return decode.Decoder(12.5, names).change(_changes.kind_of(wanted.current), wanted.action, change)


def test_a_network_arrives_whole():
    """Every field differs from its default, so none can be forgotten."""
    vlan = a_segment("vlan", 7, dynamic=True)
    network = a_network(
        vlan, a_segment("local"), name="blue", admin_state_up=False, shared=True, external=True, mtu=9000
    )

    context = decoded(Wanted(Action.UPDATE, network, 3, original=replace(network, name="old")))

    assert context.current == network
    assert context.original == replace(network, name="old")
    assert (context.revision, context.action, context.deadline) == (3, Action.UPDATE, 12.5)
    assert len(context.digest) == 32


def test_a_subnet_arrives_whole():
    """IPv6 modes, routes and a segment included."""
    network = a_network()
    subnet = replace(
        a_subnet(network),
        segment_id=network.segments[0].id,
        name="six",
        cidr="2001:db8::/64",
        ip_version=6,
        gateway_ip="2001:db8::1",
        allocation_pools=(AllocationPool("2001:db8::2", "2001:db8::ff"),),
        dns_nameservers=("2001:db8::53",),
        host_routes=(HostRoute("2001:db8:1::/64", "2001:db8::9"),),
        enable_dhcp=False,
        ipv6_address_mode="slaac",
        ipv6_ra_mode="slaac",
    )

    context = decoded(Wanted(Action.CREATE, subnet, network=network))

    assert context.current == subnet
    assert context.network == network
    assert context.original is None


def test_a_bound_port_arrives_with_everything_it_stands_on():
    """Network, subnets, bound segments and host come by value."""
    network, host = a_network(a_segment("vlan", 7), a_segment("vxlan", 70)), a_host()
    subnet = a_subnet(network)
    binding = Binding(
        "host-1",
        "direct",
        {"password": "s3cret"},
        "ovs",
        {"port_filter": True},
        (BindingLevel(0, "arista", network.segments[0].id), BindingLevel(1, "ovs", network.segments[1].id)),
    )
    port = a_port(
        network,
        name="eth0",
        port_security_enabled=False,
        allowed_address_pairs=(AddressPair("fa:16:3e:00:00:01", "192.0.2.0/28"),),
        dhcp_options=(DhcpOption("mtu", "1400", 4),),
        binding=binding,
    )
    nic = Nic("eth1", "00:00:5e:00:53:01", 25_000_000_000, LldpNeighbour("leaf1", "Ethernet1", "leaf1.example"))
    host = replace(host, nics=(nic,))

    context = decoded(
        Wanted(
            Action.UPDATE,
            port,
            9,
            network=network,
            subnets=(subnet,),
            host=host,
            attributes={"qos": {"class": 3}},
            state=DriverState(2, b"\x00\x01"),
        )
    )

    assert context.current == port
    assert (context.network, context.subnets, context.segments) == (network, (subnet,), network.segments)
    assert context.host == host
    assert context.attributes == {"qos": {"class": 3}}
    assert context.state == DriverState(2, b"\x00\x01")


def test_the_repr_of_a_context_shows_no_secret():
    """Profile, vendor attributes and stored state are masked wherever a context is logged."""
    network = a_network()
    port = replace(a_port(network), binding=Binding("h", profile={"password": "s3cret"}))
    wanted = Wanted(Action.CREATE, port, network=network, attributes={"key": "s3cret"}, state=DriverState(1, b"s3cret"))

    context = decoded(wanted)

    assert context.current.binding.profile["password"] == "s3cret"
    assert "s3cret" not in repr(context)
    assert "<masked>" in repr(context)


def test_absent_values_are_none_and_not_empty():
    """A tunnel has no physical network, an unbound port no host."""
    network = a_network(a_segment("vxlan", 70))
    subnet = replace(a_subnet(network), gateway_ip=None)

    context = decoded(Wanted(Action.CREATE, a_port(network), network=network, subnets=(subnet,)))

    assert context.network.segments[0].physical_network is None
    assert context.subnets[0].gateway_ip is None
    assert context.host is None


def test_what_a_batch_shares_is_built_once():
    """A thousand ports of one network see the same object."""
    network, decoder = a_network(), decode.Decoder(None)
    changes = [_changes.change("1", Wanted(Action.CREATE, a_port(network), network=network)) for _ in range(2)]

    first, second = (decoder.change(Kind.PORT, Action.CREATE, change) for change in changes)

    assert first.network is second.network


def test_a_change_whose_parts_do_not_fit_is_malformed_without_quoting_it():
    """The text of a broken field may be a secret, so the error does not repeat it."""
    network = a_network()
    change = _changes.change("1", Wanted(Action.CREATE, a_port(network), network=network))
    change.current.port.binding.profile = b'{"password": "s3cret"'

    with pytest.raises(decode.Malformed) as broken:
        decode.Decoder(None).change(Kind.PORT, Action.CREATE, change)
    assert "s3cret" not in str(broken.value)
    assert broken.value.__cause__ is None

    with pytest.raises(decode.Malformed, match="current is no network"):
        decode.Decoder(None).change(Kind.NETWORK, Action.CREATE, change)


@pytest.mark.parametrize("id", ["", "another"])
def test_a_change_of_one_resource_that_carries_another_is_malformed(id):
    """The lane and the held revision go by the id of the change, the hook by that of the resource."""
    change = _changes.change("1", Wanted(Action.CREATE, a_network()))
    change.id = id

    with pytest.raises(decode.Malformed, match="current is another network"):
        decode.Decoder(None).change(Kind.NETWORK, Action.CREATE, change)


def test_the_values_have_a_place_for_every_field_of_the_contract():
    """A field added to a message and forgotten here fails this test."""
    network = a_network()
    values = (network, a_subnet(network), a_port(network), network.segments[0], a_host(), a_host().agents[0], Binding())
    for resource in values:
        names = {field.name for field in dataclasses.fields(resource)}
        assert names == {field.name for field in _message_of(type(resource).__name__).fields}


def _message_of(name):
    """Find a message of the contract by the name of its value."""
    seen, todo = {}, [change_pb2.Change.DESCRIPTOR]
    while todo:
        descriptor = todo.pop()
        if descriptor.name in seen:
            continue
        seen[descriptor.name] = descriptor
        todo += [field.message_type for field in descriptor.fields if field.type == FieldDescriptor.TYPE_MESSAGE]
    return seen[name]


def test_views_arrive_whole():
    """What an agent gets is what the core pushed."""
    network = a_network_view(
        "7",
        physical_network="leaf1",
        endpoints=("198.51.100.2",),
        forwarding=(ForwardingEntry("fa:16:3e:00:00:01", ("192.0.2.9",), "198.51.100.2"),),
    )
    port = a_port_view(
        network,
        "8",
        admin_state_up=False,
        device_id="vm-1",
        device_owner="compute:nova",
        port_security_enabled=False,
        allowed_address_pairs=(AddressPair("fa:16:3e:00:00:02", "192.0.2.0/28"),),
        vnic_type="direct",
        vif_details={"bridge_name": "br-int"},
    )

    assert sync.network_view("7", _views.upsert(network).network) == network
    assert sync.port_view("8", _views.upsert(port).port) == port
