"""Drivers that misbehave when they are asked to bind a port: the next driver in the order is asked."""

from collections.abc import Callable

import pytest

from mirror.ordeal import Ordeal
from mirror.stage import Stage

MODES = ["hangs", "dies", "garbage", "wrong_ids", "too_few", "too_many", "huge", "unimplemented", "shouts_in_status"]


@pytest.fixture(scope="module")
def vlan(stage: Stage) -> str:
    """Create a VLAN network, whose ports the evil drivers are asked for first."""
    answer = stage.create_network(**{"provider:network_type": "vlan", "provider:physical_network": "leaf1"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["network"]["id"])


def test_good_manners_bind(stage: Stage, vlan: str) -> None:
    """As long as they behave, the first of them binds the ports of VLAN networks."""
    port = stage.create_port(vlan).json()["port"]

    assert port["binding:vif_type"] == "evil"
    assert port["binding:vif_details"]["bound_drivers"] == {"0": "evil-required"}


@pytest.mark.parametrize("mode", MODES)
def test_next_driver_binds(stage: Stage, vlan: str, mode: str) -> None:
    """Whatever the first driver answers, the port is bound by the next one, a time-out later at most."""
    with Ordeal(stage, "required", mode) as ordeal:
        ordeal.turn(on=["BindPorts"])
        answer = stage.create_port(vlan)

        assert answer.status_code == 201, answer.text
        assert answer.json()["port"]["binding:vif_details"]["bound_drivers"] == {"0": "evil-advisory"}


def test_refuses(ordeal: Callable[..., Ordeal], vlan: str) -> None:
    """A driver that skips a port says so, and the next one is asked."""
    with ordeal() as stubborn:
        stubborn.turn()
        answer = stubborn.stage.create_port(vlan)

        assert answer.json()["port"]["binding:vif_details"]["bound_drivers"] == {"0": "evil-advisory"}
