"""What is refused before it is written, and what is not because it has been there before."""

from dataclasses import replace
from typing import Any

import pytest
from jackfield_arista.inventory.model import Inventory
from jackfield_arista.wanted.judging import judge_network, judge_port
from jackfield_sdk import Action, Binding, BindingLevel, Network, NetworkContext, Port, PortContext, Rejected
from jackfield_sdk.testing import a_network, a_port, a_segment

CHASSIS = "00:1c:73:00:00:0a"
NARROW = Inventory.model_validate(
    {
        "credentials": {"leafs": {"username": "jackfield", "key_file": "/etc/jackfield/key"}},
        "groups": {"rack1": {"physical_network": "rack1", "vlan_ranges": "100-199"}},
        "switches": {
            "leaf1": {
                "address": "192.0.2.1",
                "credential": "leafs",
                "group": "rack1",
                "chassis_id": CHASSIS,
                "reserved_vlans": "150",
            }
        },
    }
)
"""An inventory with fewer VLANs than before: 7 was there, and 150 was free."""


def on_vlans(*vlans: int) -> Network:
    return a_network(*(a_segment("vlan", vlan, "rack1") for vlan in vlans))


def changed(network: Network, original: Network | None) -> NetworkContext:
    return NetworkContext(network, original, 2, Action.UPDATE if original else Action.CREATE)


def told(port: Port, network: Network, original: Port | None) -> PortContext:
    action = Action.UPDATE if original else Action.CREATE
    return PortContext(port, original, network, (), network.segments, None, 2, action)


def a_machine(network: Network, port_id: str) -> Port:
    profile: dict[str, Any] = {"local_link_information": [{"switch_id": CHASSIS, "port_id": port_id}]}
    levels = (BindingLevel(0, "arista", network.segments[0].id),)
    return a_port(network, binding=Binding("node-1", "baremetal", profile, "other", {}, levels))


@pytest.mark.parametrize("vlan", [7, 150])
def test_a_network_keeps_a_vlan_that_is_refused_to_others(vlan: int):
    """A new name is no reason to refuse what the network has been on before; a further segment there is."""
    before = on_vlans(vlan)
    with pytest.raises(Rejected, match=f"VLAN {vlan} "):
        judge_network(changed(before, None), NARROW)

    judge_network(changed(replace(before, name="renamed"), before), NARROW)

    grown = replace(before, segments=(*before.segments, a_segment("vlan", 200, "rack1")))
    with pytest.raises(Rejected, match="VLAN 200 "):
        judge_network(changed(grown, before), NARROW)


def test_a_port_keeps_a_vlan_that_is_refused_to_others():
    """A port that comes to the VLAN is refused; one that is bound to it can be renamed."""
    network = on_vlans(7)
    bound = a_port(network, "host-1", driver="ovs")
    unbound = replace(bound, binding=Binding())
    for original in (None, unbound):
        with pytest.raises(Rejected, match="VLAN 7 "):
            judge_port(told(bound, network, original), NARROW)

    judge_port(told(replace(bound, name="renamed"), network, bound), NARROW)


def test_a_machine_keeps_a_link_that_the_inventory_does_not_know_any_more():
    """A new link that leads nowhere is refused with its field; the old one is not the fault of a new name."""
    network = on_vlans(100)
    machine = a_machine(network, "Nonsense")
    with pytest.raises(Rejected) as refused:
        judge_port(told(machine, network, None), NARROW)
    assert refused.value.field == "binding:profile"

    judge_port(told(replace(machine, name="renamed"), network, machine), NARROW)

    with pytest.raises(Rejected):
        judge_port(told(a_machine(network, "Elsewhere"), network, machine), NARROW)
