"""Segments through the API."""

from typing import Any


async def test_segments_of_a_network_come_and_go(api: Any) -> None:
    """A further segment is created, shown by its network, changed, and deleted."""
    network = await api.create("network")
    (first,) = await api.list("segments", f"network_id={network['id']}")
    assert first["segmentation_id"] == network["provider:segmentation_id"]

    segment = await api.create(
        "segment",
        network_id=network["id"],
        network_type="vlan",
        physical_network="physnet1",
        segmentation_id="55",
        name="rack",
    )
    assert (segment["segmentation_id"], segment["name"], segment["description"]) == (55, "rack", "")
    assert len((await api.get(f"networks/{network['id']}"))["network"]["segments"]) == 2
    assert await api.list("segments", "network_type=vlan&segmentation_id=55") == [segment]

    changed = await api.update("segment", segment["id"], name=None, description="top of rack 7")
    assert (changed["name"], changed["description"], changed["revision_number"]) == ("", "top of rack 7", 2)

    await api.delete("segment", segment["id"])
    assert await api.list("segments") == [first]


async def test_segments_are_created_one_at_a_time(api: Any) -> None:
    """A list of segments is refused."""
    network = await api.create("network")

    status, _, message = await api.refused(
        "POST", "segments", json={"segments": [{"network_id": network["id"], "network_type": "vxlan"}]}
    )

    assert (status, message) == (400, "Bulk operation not supported")
