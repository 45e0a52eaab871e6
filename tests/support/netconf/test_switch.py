"""The real switch does what tests of the driver rely on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ncclient.operations.rpc import RPCError
from ncclient.transport.errors import TransportError

from support.netconf import Heard, NetconfSwitch, missing_requirements

VLAN = (
    '<network-instances xmlns="http://openconfig.net/yang/network-instance"><network-instance><name>default</name>'
    "<vlans><vlan><vlan-id>{0}</vlan-id><config><vlan-id>{0}</vlan-id><name>{1}</name></config></vlan></vlans>"
    "</network-instance></network-instances>"
)

pytestmark = pytest.mark.skipif(bool(missing_requirements()), reason=f"needs {' and '.join(missing_requirements())}")


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[NetconfSwitch]:
    """Start a switch that hears one neighbour."""
    with NetconfSwitch(tmp_path / "leaf", neighbours={"Ethernet1": Heard("host-1", "eth0")}) as started:
        yield started


def test_new_switch_has_its_ports_and_hears_its_neighbours(switch: NetconfSwitch) -> None:
    """What leaves the factory is every port, VLAN 1, and who is at the other ends."""
    running = switch.running()

    assert all(f"<name>{port}</name>".encode() in running for port in switch.ports)
    assert b"<system-name>host-1</system-name>" in running


def test_edit_of_somebody_else_is_lost_by_a_reboot_unless_it_was_saved(switch: NetconfSwitch) -> None:
    """Running configuration is not startup configuration, and both are gone when the switch is emptied."""
    empty = switch.running()
    switch.edit(VLAN.format(101, "saved"))
    with switch.somebody() as operator:
        operator.save()
    switch.edit(VLAN.format(102, "unsaved"))

    switch.reboot()
    assert b"saved" in switch.running()
    assert b"unsaved" not in switch.running()
    switch.reboot(empty=True)
    assert switch.running() == empty


def test_lock_of_somebody_else_keeps_others_out(switch: NetconfSwitch) -> None:
    """The lock names its holder, and ends with the block."""
    with switch.lock_elsewhere() as holder, switch.somebody() as other:
        with pytest.raises(RPCError) as refused, other.lock("candidate"):
            pass
        assert refused.value.tag == "lock-denied"
        assert f"<session-id>{holder}</session-id>" in str(refused.value.info)

    switch.edit(VLAN.format(103, "later"))


def test_broken_connection_is_noticed_and_a_new_one_is_welcome(switch: NetconfSwitch) -> None:
    """A cut ends every session at once; a switch without power refuses, until it is back."""
    operator = switch.somebody()
    switch.cut()
    with pytest.raises(TransportError):
        operator.running()
    before = switch.running()

    switch.power_off()
    with pytest.raises(TransportError, match="Could not open socket"):
        switch.somebody()
    switch.power_on()
    assert switch.running() == before
