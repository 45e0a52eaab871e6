"""The rules of each bridge, as text that OpenFlow 1.3 knows."""

from __future__ import annotations

import pytest
from jackfield_ovs.flows import antispoof
from jackfield_ovs.flows.flow import Flow
from jackfield_ovs.flows.integration import Guest, Uplink, integration_flows
from jackfield_ovs.flows.physical import physical_flows
from jackfield_ovs.flows.tunnel import TunnelNetwork, TunnelPort, tunnel_flows
from jackfield_sdk.addresses import canonical_block, canonical_mac, link_local

MAC = "fa:16:3e:00:00:01"
NETWORK = TunnelNetwork("vxlan", local_vlan=7, key=5001, flood=(3, 4), unicast=((MAC, 3),))


def texts(flows: object) -> list[str]:
    return [f"{flow.table}:{flow.priority}:{flow.match}->{flow.actions}" for flow in flows]  # type: ignore[attr-defined]


def test_an_unknown_port_is_dead() -> None:
    """On the integration bridge nothing passes that is not named."""
    assert "0:0:->drop" in texts(integration_flows((), (), None))


def test_a_trusted_guest_is_only_held_to_its_vlan() -> None:
    """Without rules a guest's frames go to the switching table, unless they have a VLAN tag."""
    flows = texts(integration_flows((Guest(5, None),), (), None))

    assert "0:10:in_port=5->goto_table:27" in flows
    assert {"27:10:vlan_tci=0x1000/0x1000->drop", "27:10:dl_type=0x8100->drop", "27:0:->goto_table:60"} <= set(flows)
    assert not any("dl_src" in flow for flow in flows)


def test_uplinks_translate_segment_to_local_vlan() -> None:
    """A VLAN is retagged, an untagged frame of a flat network is tagged, all else is dropped."""
    flows = texts(integration_flows((), (Uplink(2, ((1234, 7), (None, 8))),), None))

    assert "0:3:in_port=2,dl_vlan=1234->set_field:4103->vlan_vid,goto_table:60" in flows
    assert "0:3:in_port=2,vlan_tci=0x0000/0x1fff->push_vlan:0x8100,set_field:4104->vlan_vid,goto_table:60" in flows
    assert "0:2:in_port=2->drop" in flows


def test_the_physical_bridge_gets_rules_for_our_patch_port_only() -> None:
    """The operator's bridge holds no rule of ours that could match another port."""
    flows = list(physical_flows(9, ((1234, 7), (None, 8))))

    assert all(flow.match.startswith("in_port=9") for flow in flows)
    assert "0:4:in_port=9,dl_vlan=7->set_field:5330->vlan_vid,NORMAL" in texts(flows)
    assert "0:4:in_port=9,dl_vlan=8->pop_vlan,NORMAL" in texts(flows)


def test_broadcast_goes_to_the_networks_endpoints_and_unicast_to_one() -> None:
    """Flooding lists exactly the network's tunnels; a named MAC address leaves by its own."""
    ports = (TunnelPort("vxlan", 3), TunnelPort("vxlan", 4), TunnelPort("vxlan", 5))

    flows = texts(tunnel_flows(1, ports, (NETWORK,), flood_unknown_unicast=False))

    assert "22:1:dl_vlan=7->pop_vlan,set_field:0x1389->tun_id,output:3,output:4" in flows
    assert f"20:2:dl_vlan=7,dl_dst={MAC}->pop_vlan,set_field:0x1389->tun_id,output:3" in flows
    assert "20:0:->drop" in flows


def test_unknown_unicast_is_flooded_only_if_told() -> None:
    """The setting sends unknown destinations the way of broadcast."""
    assert "20:0:->goto_table:22" in texts(tunnel_flows(1, (), (), flood_unknown_unicast=True))


def test_tunnel_types_have_separate_key_spaces() -> None:
    """A frame of a GRE tunnel is looked up among the GRE keys."""
    ports = (TunnelPort("vxlan", 3), TunnelPort("gre", 4))

    flows = texts(tunnel_flows(1, ports, (NETWORK,), flood_unknown_unicast=False))

    assert "0:1:in_port=3->goto_table:4" in flows
    assert "0:1:in_port=4->goto_table:3" in flows
    assert "4:1:tun_id=0x1389->push_vlan:0x8100,set_field:4103->vlan_vid,output:1" in flows
    assert not any(flow.startswith("3:1:tun_id") for flow in flows)


def test_no_two_rules_of_a_bridge_are_the_same_one() -> None:
    """Keys are unique, even when an allowed address pair repeats the port's own address."""
    rules = antispoof.rules(MAC, ("10.0.0.1",), (("", "10.0.0.1"), (MAC.upper(), "10.0.0.1/32"), ("", "0.0.0.0/0")))

    flows = list(integration_flows((Guest(5, rules),), (Uplink(2, ()),), 3))

    assert len({flow.key for flow in flows}) == len(flows)


def test_a_pair_that_allows_everything_matches_no_address() -> None:
    """0.0.0.0/0 leaves the address out of the match and keeps the MAC address in."""
    rules = antispoof.rules(MAC, (), (("", "0.0.0.0/0"),))

    flows = texts(antispoof.guest_flows(5, rules))

    assert f"26:10:ip,in_port=5,dl_src={MAC}->goto_table:60" in flows
    assert f"25:30:arp,in_port=5,dl_src={MAC},arp_sha={MAC}->goto_table:60" in flows


def test_ipv6_ports_may_use_their_link_local_address() -> None:
    """Neighbour discovery needs the link-local address, which no subnet lists."""
    rules = antispoof.rules(MAC, ("2001:db8::5",), ())

    assert {address.block for address in rules.addresses} == {"2001:db8::5", "fe80::f816:3eff:fe00:1"}


@pytest.mark.parametrize("text", ["", "fa:16:3e:00:00", "fa:16:3e:00:00:0g", "fa163e000001", MAC + ":00"])
def test_what_is_no_mac_address_is_refused(text: str) -> None:
    """The refusal quotes the text."""
    with pytest.raises(ValueError, match="is no MAC address"):
        canonical_mac(text)


def test_addresses_are_written_as_the_switch_writes_them() -> None:
    """Lower case, no host bits, no length on a single address."""
    assert canonical_mac("FA:16:3E:00:00:01") == MAC
    assert canonical_block("10.0.0.9/24") == "10.0.0.0/24"
    assert canonical_block("10.0.0.9/32") == "10.0.0.9"
    assert canonical_block("2001:DB8:0::1") == "2001:db8::1"
    assert link_local(MAC) == "fe80::f816:3eff:fe00:1"


def test_a_rule_is_written_as_ovs_ofctl_reads_it() -> None:
    """A rule without a match has no stray comma."""
    assert str(Flow(1, 2, "", "drop")) == "table=1,priority=2,cookie=0x6a61636b6f767300,actions=drop"
    assert str(Flow(1, 2, "arp", "drop")) == "table=1,priority=2,cookie=0x6a61636b6f767300,arp,actions=drop"
