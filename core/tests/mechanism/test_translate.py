"""Rows become messages."""

import hashlib
from datetime import timedelta

import pytest
from jackfield.driver.v1 import change_pb2, mechanism_pb2
from jackfield_core.db.agent import Agent
from jackfield_core.db.base import now
from jackfield_core.db.unit_of_work import Change
from jackfield_core.mechanism import translate
from jackfield_core.mechanism.batch import Batch
from jackfield_core.types import Action, AddressPair, BindingLevel, DhcpOption, HostRoute, Kind
from msgspec.structs import replace


def an_agent(kind="Open vSwitch agent", *, age=0.0, at=None, **columns):
    """Return an agent whose last heartbeat is *age* seconds old."""
    at = at or now()
    values = {
        "id": kind, "agent_type": kind, "host": "host-1", "binary": "b", "version": "1", "driver": "ovs",
        "description": "", "admin_state_up": True, "physical_networks": {"leaf1": "br-1"}, "tunnel_types": ("vxlan",),
        "tunnel_ip": "198.51.100.1", "vif_types": ("ovs",), "configurations": {"b": 1, "a": 2}, "neighbours": (),
        "created_at": at, "started_at": at, "heartbeat_at": at - timedelta(seconds=age), **columns,
    }  # fmt: skip
    return Agent(**values)


def told(change, *, hosts=(), **more):
    """Return the message for *change*, as a driver hears of it."""
    batch = Batch(1, {host.name: host for host in hosts})
    batch.add(change, change_id="c", **more)
    return _read(batch)[0]


@pytest.mark.parametrize("name", ["", "p", "p" * 127, "p" * 128, "ü" * 64, "ü" * 200])
@pytest.mark.parametrize("device_id", ["", "vm-1"])
@pytest.mark.parametrize("is_up", [True, False])
def test_encoded_port_is_what_protobuf_makes_of_it(rows, name, device_id, is_up):
    """A resource that was put together as bytes is, to the bit, one that was encoded whole."""
    tree = rows.tree()
    port = replace(rows.port(tree=tree, host="host-1"), name=name, device_id=device_id, admin_state_up=is_up)

    encoded = translate.encode(port, tree, (BindingLevel(0, "fabric", "seg-net-1"),))

    assert encoded == change_pb2.Resource.FromString(encoded).SerializeToString(deterministic=True)
    read = change_pb2.Resource.FromString(encoded).port
    assert (read.name, read.device_id, read.admin_state_up) == (name, device_id, is_up)


def test_port_is_told_whole(rows):
    """Everything that users set on a port reaches the driver."""
    tree = rows.tree()
    port = replace(
        rows.port(tree=tree, host="host-1"),
        allowed_address_pairs=(AddressPair("192.0.2.0/25", "fa:16:3e:00:00:02"),),
        extra_dhcp_opts=(DhcpOption("mtu", "1400"),),
    )
    levels = (BindingLevel(0, "fabric", "seg-net-1"),)

    message = told(Change(Kind.PORT, Action.CREATE, port, None, tree, levels=levels), action=Action.CREATE)

    described = message.current.port
    assert (described.id, described.network_id, described.mac_address) == ("port-1", "net-1", "fa:16:3e:00:00:01")
    assert [(ip.subnet_id, ip.ip_address) for ip in described.fixed_ips] == [("sub-net-1", "192.0.2.11")]
    assert [(pair.ip_address, pair.mac_address) for pair in described.allowed_address_pairs] == [
        ("192.0.2.0/25", "fa:16:3e:00:00:02")
    ]
    assert [(option.name, option.value, option.ip_version) for option in described.dhcp_options] == [("mtu", "1400", 4)]
    assert described.binding.host == "host-1"
    assert described.binding.vif_details == b'{"port_filter":true}'
    assert [(level.level, level.driver, level.segment_id) for level in described.binding.levels] == [
        (0, "fabric", "seg-net-1")
    ]
    assert message.project_id == "project"


def test_subnet_is_told_whole(rows):
    """Pools, routes, name servers and modes of a subnet reach the driver; what is unset is absent."""
    tree = rows.tree()
    subnet = replace(tree.subnets[0], host_routes=(HostRoute("198.51.100.0/24", "192.0.2.9"),))

    message = told(Change(Kind.SUBNET, Action.CREATE, subnet, None, tree), action=Action.CREATE)

    described = message.current.subnet
    assert (described.cidr, described.gateway_ip, described.ip_version) == ("192.0.2.0/24", "192.0.2.1", 4)
    assert described.enable_dhcp
    assert [(pool.start, pool.end) for pool in described.allocation_pools] == [("192.0.2.10", "192.0.2.20")]
    assert [(route.destination, route.nexthop) for route in described.host_routes] == [("198.51.100.0/24", "192.0.2.9")]
    assert list(described.dns_nameservers) == ["192.0.2.2"]
    assert not described.HasField("ipv6_ra_mode")
    assert not described.HasField("segment_id")
    assert message.related.network.name == "blue"


def test_network_brings_its_segments_and_nothing_else(rows):
    """A network is told with all segments and without surroundings."""
    message = told(rows.create_network(), action=Action.CREATE)

    (segment,) = message.current.network.segments
    assert (segment.network_type, segment.physical_network, segment.segmentation_id) == ("vlan", "leaf1", 7)
    assert not message.HasField("related")
    assert not message.HasField("state")


def test_same_rows_same_digest(rows):
    """The digest is that of the resource alone, whoever computes it, and changes with it."""
    tree = rows.tree()
    change = rows.create_network(tree)
    renamed = rows.create_network(replace(tree, network=replace(tree.network, name="red")))

    one = told(change, action=Action.CREATE)
    two = told(change, action=Action.UPDATE, original=b"", state=(1, b"s"))

    assert one.digest == two.digest == hashlib.sha256(translate.encode(tree.network, tree)).digest()
    assert one.digest != told(renamed, action=Action.CREATE).digest


def test_original_is_the_state_before(rows):
    """An original that was encoded for the ledger is the original that the driver gets."""
    before = rows.tree(revision=1, vlan=7)
    after = rows.tree(revision=2, vlan=8)
    change = Change(Kind.NETWORK, Action.UPDATE, after.network, before.network, after, original_tree=before)

    message = told(change, action=Action.UPDATE, original=translate.encode_original(change))

    assert message.original.network.segments[0].segmentation_id == 7
    assert message.current.network.segments[0].segmentation_id == 8
    assert message.revision == 2


def test_deletion_has_a_revision_of_its_own(rows):
    """A deletion is one revision above the last state, so that a driver can tell it from that."""
    change = rows.create_network()

    message = told(change, action=Action.DELETE)

    assert message.action == change_pb2.ACTION_DELETE
    assert message.revision == change.current.revision_number + 1
    assert message.current.network.name == "blue"


def test_host_is_made_of_its_agents():
    """Agents are alive by their heartbeat; what the host can do is what its agents can do together."""
    at = now()
    neighbour = {"interface": "eth1", "chassis_id": "00:1c:73:00:00:01", "port_id": "Ethernet7", "system_name": "leaf1"}
    nobody = {"interface": "eth2", "chassis_id": "", "port_id": "", "system_name": ""}
    agents = [
        an_agent(at=at, age=74, neighbours=(neighbour, nobody)),
        an_agent("Linux bridge agent", at=at, age=76, physical_networks={"leaf2": "eth2"}, tunnel_ip=None),
    ]

    host = translate.host("host-1", agents, at, 75.0)

    assert [(agent.agent_type, agent.alive) for agent in host.agents] == [
        ("Open vSwitch agent", True),
        ("Linux bridge agent", False),
    ]
    assert list(host.physical_networks) == ["leaf1", "leaf2"]
    assert host.tunnel_ip == "198.51.100.1"
    assert host.agents[0].configurations == b'{"a":2,"b":1}'
    assert not host.agents[1].HasField("tunnel_ip")
    wired, deaf = host.nics
    seen = wired.neighbour
    assert (wired.name, seen.chassis_id, seen.port_id, seen.system_name) == ("eth1", *[*neighbour.values()][1:])
    assert deaf.name == "eth2"
    assert not deaf.HasField("neighbour")


def test_bound_port_brings_its_host(rows):
    """A host that is known is sent whole, one that is not by its name."""
    tree = rows.tree()
    change = rows.create_port(rows.port(tree=tree, host="host-1"), tree)
    host = translate.host("host-1", [an_agent()], now(), 75.0)

    known = told(change, action=Action.CREATE, hosts=[host])
    unknown = told(change, action=Action.CREATE)

    assert known.related.host.agents[0].alive
    assert unknown.related.host.name == "host-1"
    assert not unknown.related.host.agents


def test_ports_of_one_batch_bring_what_each_stands_on(rows):
    """What ports share is translated once, and still every port has its own network, subnets, segments and host."""
    blue, red = rows.tree("net-1"), rows.tree("net-2")
    level = BindingLevel(0, "fabric", "seg-net-1")
    ports = [
        Change(Kind.PORT, Action.CREATE, rows.port("p1", tree=blue, host="host-1"), None, blue, levels=(level,)),
        Change(Kind.PORT, Action.CREATE, rows.port("p2", tree=blue, host="host-1"), None, blue, levels=(level,)),
        Change(Kind.PORT, Action.CREATE, rows.port("p3", tree=blue, host="host-2"), None, blue),
        Change(Kind.PORT, Action.CREATE, replace(rows.port("p4", tree=blue), fixed_ips=()), None, blue),
        Change(Kind.PORT, Action.CREATE, rows.port("p5", tree=red), None, red),
        Change(Kind.SUBNET, Action.CREATE, red.subnets[0], None, red),
    ]
    batch = Batch(1)
    for number, change in enumerate(ports):
        batch.add(change, change_id=str(number), action=Action.CREATE)

    assert [_standing(message) for message in _read(batch)] == [
        ("net-1", ["sub-net-1"], ["seg-net-1"], "host-1"),
        ("net-1", ["sub-net-1"], ["seg-net-1"], "host-1"),
        ("net-1", ["sub-net-1"], [], "host-2"),
        ("net-1", [], [], ""),
        ("net-2", ["sub-net-2"], [], ""),
        ("net-2", [], [], ""),
    ]


def test_ports_of_one_batch_are_told_as_if_each_were_alone(rows):
    """What ports share is looked up once; one that differs in any of it is told as it is."""
    tree = rows.tree()
    one = rows.port("p1", tree=tree, host="host-1")
    level = BindingLevel(0, "fabric", "seg-net-1")
    others = [
        one,
        replace(one, id="p2", device_owner="network:dhcp"),
        replace(one, id="p3", port_security_enabled=not one.port_security_enabled),
        replace(one, id="p4", project_id="somebody-else"),
        replace(one, id="p5", binding=replace(one.binding, vnic_type="direct")),
        replace(one, id="p6", allowed_address_pairs=(AddressPair("10.0.0.9", "fa:16:3e:00:00:09"),)),
        replace(one, id="p7", extra_dhcp_opts=(DhcpOption("mtu", "1400", 4),)),
    ]
    changes = [
        *(Change(Kind.PORT, Action.CREATE, port, None, tree, levels=(level,)) for port in others),
        Change(Kind.PORT, Action.CREATE, replace(one, id="p8"), None, tree),
        Change(Kind.NETWORK, Action.CREATE, tree.network, None, tree),
    ]
    together = Batch(1)
    for change in changes:
        for action in (Action.CREATE, Action.UPDATE):
            together.add(change, change_id="c", action=action)

    alone = [told(change, action=action) for change in changes for action in (Action.CREATE, Action.UPDATE)]
    assert [*_read(together)] == alone


def _read(batch):
    """Return the changes of a batch as its driver reads them."""
    return mechanism_pb2.PostcommitRequest.FromString(batch.request().data).changes


def _standing(message):
    related = message.related
    return (
        related.network.id,
        [subnet.id for subnet in related.subnets],
        [segment.id for segment in related.segments],
        related.host.name,
    )
