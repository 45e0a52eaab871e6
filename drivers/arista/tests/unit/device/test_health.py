"""Whether a switch is as well as it was."""

from __future__ import annotations

from dataclasses import replace

from jackfield_arista.device.health import Health, Neighbour

SPINE = Neighbour("Ethernet49", "spine-1", "00:1c:73:00:00:01", "Ethernet7", "to leaf-1")
WELL = Health((SPINE,), {"Ethernet49": True, "Ethernet50": False, "Ethernet1": True})
UPLINKS = ("Ethernet49", "Ethernet50")


def test_a_switch_that_is_as_it_was_has_lost_nothing() -> None:
    """What is new, and what is told in other words, is no loss."""
    after = Health(
        (replace(SPINE, port_description="reworded", system_name="spine-1.example.org"), Neighbour("Ethernet2", "new")),
        {**WELL.links, "Ethernet50": True},
    )

    assert WELL.lost(WELL, UPLINKS) == ()
    assert WELL.lost(after, UPLINKS) == ()


def test_an_uplink_that_goes_down_is_a_loss() -> None:
    """Also if it is not mentioned any more; one that was down before is none."""
    assert WELL.lost(replace(WELL, links={"Ethernet49": False}), UPLINKS) == ("uplink Ethernet49 is down",)
    assert WELL.lost(replace(WELL, links={}), UPLINKS) == ("uplink Ethernet49 is down",)


def test_a_machine_that_is_switched_off_is_no_loss() -> None:
    """Its link is no uplink."""
    assert WELL.lost(replace(WELL, links={**WELL.links, "Ethernet1": False}), UPLINKS) == ()


def test_a_neighbour_that_is_gone_is_a_loss() -> None:
    """And so is another one in its place."""
    other = replace(SPINE, chassis_id="00:1c:73:00:00:02")

    assert WELL.lost(replace(WELL, neighbours=()), UPLINKS) == ("LLDP neighbour spine-1 of Ethernet49 is gone",)
    assert WELL.lost(replace(WELL, neighbours=(other,)), UPLINKS) != ()
