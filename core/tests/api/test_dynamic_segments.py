"""What administrators see of a network that is a VLAN in some racks, and something else between them."""

import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from jackfield_core.app import Application
from jackfield_core.binding.dynamic import DynamicSegments
from jackfield_core.db.port import Binding
from jackfield_core.db.segment import Segment
from jackfield_core.db.tree import load_trees
from jackfield_core.types import BindingLevel
from msgspec.structs import replace


@pytest.fixture
async def network(api: Any) -> Any:
    """Create a VXLAN network."""
    return await api.create("network")


@pytest.fixture
async def leaf(network: Any, application: Application) -> Segment:
    """Give the network the VLAN of a rack, as a binding would."""
    work = application.unit_of_work
    async with work.reading() as tables:
        tree = (await load_trees(tables.connection, [network["id"]]))[network["id"]]
    dynamic = DynamicSegments(application.segments, application.mechanism, work)
    return (await dynamic.ensure(tree, "vlan", "physnet1"))[0]


async def bind(application: Application, port: Any, levels: Sequence[BindingLevel]) -> None:
    """Have a port bound on levels."""
    async with application.unit_of_work() as tx:
        found = await tx.ports.find_for_update(port["id"])
        assert found
        await tx.ports.update_binding(replace(found, binding=Binding(host="host-1", vif_type="ovs")), levels)


async def test_segments_say_whether_they_are_dynamic(api: Any, network: Any, leaf: Segment) -> None:
    """All segments of a network are listed, and can be told apart and asked for."""
    listed = await api.list("segments", f"network_id={network['id']}")
    assert {one["id"]: one["jackfield:dynamic"] for one in listed} == {leaf.id: True} | {
        one["id"]: False for one in listed if one["network_type"] == "vxlan"
    }

    (dynamic,) = await api.list("segments", f"network_id={network['id']}&jackfield:dynamic=true")

    assert (dynamic["id"], dynamic["network_type"], dynamic["physical_network"]) == (leaf.id, "vlan", "physnet1")
    assert dynamic["segmentation_id"] == leaf.segmentation_id


async def test_a_network_is_still_what_was_asked_for(api: Any, network: Any, leaf: Segment) -> None:
    """To have a VLAN in a rack is no second provider segment of the network, though it raised its revision."""
    shown = (await api.get(f"networks/{network['id']}"))["network"]

    assert "segments" not in shown
    assert shown["provider:network_type"] == "vxlan"
    assert shown["provider:segmentation_id"] == network["provider:segmentation_id"]
    assert shown["revision_number"] == network["revision_number"] + 1


async def test_levels_of_a_binding_name_their_segments(
    api: Any, network: Any, leaf: Segment, application: Application
) -> None:
    """An administrator reads off one answer which driver carries the port on what."""
    (overlay,) = await api.list("segments", f"network_id={network['id']}&network_type=vxlan")
    port = await api.create("port", network_id=network["id"])
    await bind(application, port, [BindingLevel(0, "fabric", overlay["id"]), BindingLevel(1, "ovs", leaf.id)])

    details = (await api.get(f"port-implementation-details/{port['id']}"))["port_implementation_details"]

    assert details["binding"]["levels"] == [
        {
            "level": 0,
            "driver": "fabric",
            "segment_id": overlay["id"],
            "network_type": "vxlan",
            "physical_network": None,
            "segmentation_id": overlay["segmentation_id"],
        },
        {
            "level": 1,
            "driver": "ovs",
            "segment_id": leaf.id,
            "network_type": "vlan",
            "physical_network": "physnet1",
            "segmentation_id": leaf.segmentation_id,
        },
    ]
    assert details["binding"]["segment"]["id"] == leaf.id


async def test_a_level_without_its_segment_is_shown_all_the_same(
    api: Any, network: Any, application: Application
) -> None:
    """What cannot be read any more is null, and no fault."""
    lost = str(uuid.uuid4())
    port = await api.create("port", network_id=network["id"])
    await bind(application, port, [BindingLevel(0, "ovs", lost)])

    details = (await api.get(f"port-implementation-details/{port['id']}"))["port_implementation_details"]

    (level,) = details["binding"]["levels"]
    assert (level["segment_id"], level["network_type"], level["segmentation_id"]) == (lost, None, None)


async def test_a_further_segment_stands_behind_all_others(api: Any, network: Any, leaf: Segment) -> None:
    """The order of segments is that of their coming, though one between them is gone."""
    second = await api.create(
        "segment", network_id=network["id"], network_type="vlan", physical_network="physnet1", segmentation_id=7
    )
    await api.delete("segment", leaf.id)

    third = await api.create("segment", network_id=network["id"], network_type="vxlan")

    shown = (await api.get(f"networks/{network['id']}"))["network"]["segments"]
    numbers = [one["provider:segmentation_id"] for one in shown]
    assert numbers[1:] == [second["segmentation_id"], third["segmentation_id"]]
