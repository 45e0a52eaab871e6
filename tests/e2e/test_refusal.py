"""A driver's refusal reaches the user in its words and leaves no trace."""

import pytest
from e2e.lab.api import Refused
from e2e.lab.cloud import Cloud

FORBIDDEN = {
    "name": "forbidden-lab",
    "provider:network_type": "vlan",
    "provider:physical_network": "physnet1",
    "provider:segmentation_id": 166,
}


def test_refused_network_leaves_nothing(cloud: Cloud) -> None:
    """A network refused in precommit is a 409 with the driver's words: no row, no segment, no debt."""
    before = cloud.control_plane.count_rows()

    with pytest.raises(Refused) as refusal:
        cloud.api.create("network", **FORBIDDEN)

    assert refusal.value.status == 409
    assert "forbidden-lab" in refusal.value.body["NeutronError"]["message"]
    assert cloud.api.list("network") == []
    assert cloud.control_plane.debts() == []
    assert cloud.control_plane.count_rows() == before


def test_segment_of_a_refused_network_is_free(cloud: Cloud) -> None:
    """The VLAN that a refused network asked for can be had by the next."""
    with pytest.raises(Refused):
        cloud.api.create("network", **FORBIDDEN)

    allowed = cloud.api.create("network", **FORBIDDEN | {"name": "allowed"})

    assert allowed["provider:segmentation_id"] == 166
