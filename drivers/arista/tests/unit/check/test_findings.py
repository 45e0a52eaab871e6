"""What a check finds at a switch, point by point."""

from typing import Any

import pytest
from jackfield_arista.check import findings
from jackfield_arista.check.findings import Finding, Level
from jackfield_arista.configuration.model import Configuration, Mode, SwitchPort
from jackfield_arista.configuration.ownership import mark
from jackfield_arista.device.errors import (
    AuthenticationFailed,
    HostKeyChanged,
    HostKeyUnknown,
    Refusal,
    RpcFailed,
    Unreachable,
)
from jackfield_arista.device.namespaces import ARISTA_CLI
from jackfield_arista.inventory.model import Inventory

NETWORKS = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(5)]


class Switch:
    """A session that announces this, and nothing else."""

    def __init__(self, *capabilities: str) -> None:
        self._capabilities = capabilities

    def can(self, capability: str) -> bool:
        return capability in self._capabilities

    def has_module(self, namespace: str) -> bool:
        return namespace in self._capabilities


def an_inventory(**fields: Any) -> Inventory:
    leaf = {"address": "192.0.2.1", "credential": "leafs", "group": "rack1", "uplinks": ["Ethernet49"]}
    return Inventory.model_validate(
        {
            "credentials": {"leafs": {"username": "jackfield", "key_file": "/key"}},
            "groups": {"rack1": {"physical_network": "rack1", "vlan_ranges": "100-199"}},
            "switches": {"leaf1": leaf | {"reserved_vlans": "150-159"} | fields},
            "attachments": [
                {"host": "compute-1", "switch": "leaf1", "interfaces": ["Ethernet1"]},
                {"host": "compute-2", "switch": "leaf1", "lag": "Port-Channel2", "interfaces": ["Ethernet2"]},
            ],
        }
    )


def wrong(found: Any) -> list[tuple[str, str]]:
    return [(one.step, one.fact) for one in found if one.level is Level.WRONG]


@pytest.mark.parametrize(
    ("error", "step"),
    [
        (Unreachable("leaf1", "no route"), "reach"),
        (HostKeyUnknown("leaf1", "who?"), "host key"),
        (HostKeyChanged("leaf1", "another"), "host key"),
        (AuthenticationFailed("leaf1", "no"), "login"),
        (RpcFailed("leaf1", "to show", (Refusal("access-denied"),)), "read"),
    ],
)
def test_an_error_says_at_which_step_and_what_to_do(error, step):
    """The fact is the error's, and there is advice for each."""
    found = findings.of_error(error)

    assert (found.step, found.level, found.fact) == (step, Level.WRONG, error.fact)
    assert found.advice


@pytest.mark.parametrize(
    ("fields", "announced", "facts"),
    [
        ({}, ["candidate", "confirmed-commit", "startup"], []),
        ({"save": "never"}, ["candidate", "confirmed-commit"], []),
        ({}, ["candidate", "confirmed-commit", ARISTA_CLI], []),
        ({}, ["candidate", "startup"], ["the switch announces no confirmed-commit"]),
        ({"datastore": "running"}, ["candidate", "startup"], ["the switch announces no writable-running"]),
        (
            {"save": "cli", "datastore": "running"},
            ["writable-running", "startup"],
            ["the switch announces neither a startup configuration nor its command line"],
        ),
    ],
)
def test_a_switch_has_to_be_able_to_do_what_the_inventory_says(fields, announced, facts):
    """Datastore and saving are compared with what the switch announces."""
    switch = an_inventory(**fields).switch("leaf1")

    assert [fact for _, fact in wrong(findings.of_capabilities(switch, Switch(*announced)))] == facts


def test_vlans_of_ours_where_they_may_not_be_are_wrong():
    """Reserved VLANs and those outside of the group's ranges, if they bear a mark; others are not our affair."""
    inventory = an_inventory()
    ours = {100: NETWORKS[0], 155: NETWORKS[1], 300: NETWORKS[2]}
    vlans = {vlan: mark("one", network) for vlan, network in ours.items()} | {1: "default", 151: "storage"}

    found = list(findings.of_vlans(inventory, inventory.switch("leaf1"), Configuration(vlans=vlans)))

    assert found[0] == Finding("our VLANs", Level.FINE, "3 of 5 VLANs are Jackfield's")
    assert wrong(found) == [
        ("reserved VLANs", "VLAN 155 is reserved, and a network has it"),
        ("reserved VLANs", "VLAN 300 is outside of the ranges of group rack1, and a network has it"),
    ]


def test_two_deployments_on_a_switch_are_worth_a_note():
    """They leave each other's VLANs alone, and can only share the switch if their ranges are apart."""
    inventory = an_inventory()
    vlans = {100: mark("one", NETWORKS[0]), 101: mark("two", NETWORKS[1])}

    found = findings.of_vlans(inventory, inventory.switch("leaf1"), Configuration(vlans=vlans))

    assert [one.fact.partition(":")[0] for one in found if one.level is Level.NOTE] == ["they are of 2 deployments"]


def test_ports_of_the_inventory_have_to_be_there():
    """Uplinks, interfaces, port-channels and their members; those without a link are worth a note."""
    inventory = an_inventory()
    ports = {name: SwitchPort(name, Mode.TRUNK, trunk_vlans=frozenset({1})) for name in ("Ethernet1", "Ethernet49")}

    found = list(
        findings.of_ports(
            inventory, inventory.switch("leaf1"), Configuration(ports=ports), {"Ethernet1": False, "Ethernet49": True}
        )
    )

    assert wrong(found) == [
        ("interfaces", "there is no Ethernet2, which is compute-2"),
        ("interfaces", "there is no Port-Channel2, which is compute-2"),
    ]
    notes = [one.fact for one in found if one.level is Level.NOTE]
    assert notes == ["Ethernet1, which is compute-1, has no link"]
    assert found[-1].fact == "2 of 4 ports of the inventory are there"


def test_a_trunk_of_all_vlans_is_worth_a_note():
    """On such a port a host gets the VLANs of all others; an uplink is meant to."""
    inventory = an_inventory()
    ports = {name: SwitchPort(name, Mode.TRUNK) for name in ("Ethernet1", "Ethernet2", "Ethernet49", "Port-Channel2")}
    ports["Ethernet2"] = ports["Port-Channel2"] = SwitchPort("x", Mode.ACCESS, access_vlan=1)

    found = findings.of_ports(inventory, inventory.switch("leaf1"), Configuration(ports=ports), {})

    assert [one.fact for one in found if one.level is Level.NOTE] == [
        "Ethernet1, which is compute-1, is a trunk of all VLANs: its host gets those of all others"
    ]
