"""Networks through the API: attributes, provider segments, revisions."""

from typing import Any

import pytest


async def test_new_network_shows_everything_that_clients_read(api: Any) -> None:
    """A network created with its defaults has a segment of its own and all attributes of the advertised aliases."""
    network = await api.create("network", name="blue", tenant_id="project-1")

    assert network["provider:network_type"] == "vxlan"
    assert network["provider:physical_network"] is None
    assert 1000 <= network["provider:segmentation_id"] <= 1999
    assert network["created_at"] == network["updated_at"]
    assert len(network["created_at"]) == len("2026-11-21T11:00:00Z")
    expected = {
        "name": "blue",
        "project_id": "project-1",
        "tenant_id": "project-1",
        "description": "",
        "admin_state_up": True,
        "status": "ACTIVE",
        "mtu": 1450,
        "shared": False,
        "router:external": False,
        "port_security_enabled": True,
        "subnets": [],
        "revision_number": 1,
    }
    assert {name: network[name] for name in expected} == expected
    assert "segments" not in network
    assert await api.show("network", network["id"]) == network


async def test_liberal_forms_are_read_like_neutron_does(api: Any) -> None:
    """Booleans and numbers may come as text, as the command line sends them."""
    network = await api.create(
        "network",
        **{
            "admin_state_up": "false",
            "shared": 1,
            "mtu": "1400",
            "router:external": "True",
            "provider:network_type": "vlan",
            "provider:physical_network": "physnet1",
            "provider:segmentation_id": "150",
        },
    )

    assert (network["admin_state_up"], network["shared"], network["router:external"]) == (False, True, True)
    assert network["mtu"] == 1400
    assert network["provider:segmentation_id"] == 150


async def test_network_of_several_segments_lists_them(api: Any) -> None:
    """More than one segment is shown as a list, in place of the provider attributes."""
    segments = [
        {"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 7},
        {"provider:network_type": "vxlan", "provider:physical_network": None, "provider:segmentation_id": 77},
    ]

    network = await api.create("network", segments=segments)

    assert network["segments"] == segments
    assert "provider:network_type" not in network


async def test_network_changes_raise_its_revision(api: Any) -> None:
    """An update changes what it names and nothing else."""
    network = await api.create("network", name="blue")

    changed = await api.update("network", network["id"], description="sea", shared="true")

    assert changed["revision_number"] == 2
    moving = {"description", "shared", "revision_number", "updated_at"}
    assert {k: v for k, v in changed.items() if k not in moving} == {
        k: v for k, v in network.items() if k not in moving
    }
    assert (changed["description"], changed["shared"]) == ("sea", True)


async def test_update_at_another_revision_is_refused(api: Any) -> None:
    """If-Match lets a request through at the named revision only."""
    network = await api.create("network", name="blue")
    await api.update("network", network["id"], {"If-Match": "revision_number=1"}, name="green")

    status, type_, message = await api.refused(
        "PUT",
        f"networks/{network['id']}",
        json={"network": {"name": "red"}},
        headers={"If-Match": "revision_number=1"},
    )

    assert (status, type_) == (412, "RevisionNumberConstraintFailed")
    assert "current revision" in message
    refused = await api.refused("DELETE", f"networks/{network['id']}", headers={"If-Match": "revision_number=1"})
    assert refused[0] == 412
    assert (await api.get(f"networks/{network['id']}"))["network"]["name"] == "green"


@pytest.mark.parametrize("header", ["*", '"abc"', "revision_number=", "revision_number=x", "revision_number=-1"])
async def test_strange_if_match_is_refused(api: Any, header: str) -> None:
    """An If-Match that names no revision is a bad request, not ignored."""
    network = await api.create("network")

    status, _, message = await api.refused("DELETE", f"networks/{network['id']}", headers={"If-Match": header})

    assert status == 400
    assert "If-Match" in message
    assert await api.list("networks") != []


async def test_deleted_network_is_gone(api: Any) -> None:
    """What was deleted is found no more."""
    network = await api.create("network")

    await api.delete("network", network["id"])

    assert await api.list("networks") == []
    assert await api.refused("GET", f"networks/{network['id']}") == (
        404,
        "NetworkNotFound",
        f"Network {network['id']} could not be found.",
    )


async def test_bulk_creates_all_networks_or_none(api: Any) -> None:
    """A list of networks is created as one."""
    answer = await api.http.post("/v2.0/networks", json={"networks": [{"name": "a"}, {"name": "b"}]})
    assert answer.status_code == 201
    assert [network["name"] for network in answer.json()["networks"]] == ["a", "b"]
    vlan = {"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 9}

    status, type_, _ = await api.refused("POST", "networks", json={"networks": [{**vlan, "name": "c"}, vlan]})

    assert (status, type_) == (409, "VlanIdInUse")
    assert sorted(network["name"] for network in await api.list("networks")) == ["a", "b"]


async def test_network_is_of_the_callers_project(api: Any) -> None:
    """Without a project in the body the headers name it, under either name."""
    by_project = await api.http.post("/v2.0/networks", json={"network": {}}, headers={"X-Project-Id": "p1"})
    by_tenant = await api.http.post("/v2.0/networks", json={"network": {}}, headers={"X-Tenant-Id": "p2"})

    assert by_project.json()["network"]["project_id"] == "p1"
    assert by_tenant.json()["network"]["tenant_id"] == "p2"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("router:external=True", ["outside"]),
        ("router:external=false&name=inside", ["inside"]),
        ("provider:network_type=vlan", ["outside"]),
        ("provider:network_type=vlan&provider:segmentation_id=31", []),
        ("provider:segmentation_id=30&provider:segmentation_id=31", ["outside"]),
        ("provider:physical_network=physnet1", ["outside"]),
        ("provider:segmentation_id=99999999999", []),
        ("shared=true", ["outside"]),
        ("mtu=1450", ["inside"]),
        ("tenant_id=p9", ["inside"]),
        ("project_id=p9&project_id=nobody", ["inside"]),
        ("status=ACTIVE", ["inside", "outside"]),
        ("description=", ["inside", "outside"]),
        ("name=inside&name=outside", ["inside", "outside"]),
    ],
)
async def test_networks_are_narrowed_by_their_attributes(api: Any, query: str, names: list[str]) -> None:
    """Filters of one name are alternatives, filters of different names all hold."""
    await api.create("network", name="inside", project_id="p9")
    await api.create(
        "network",
        **{
            "name": "outside",
            "router:external": True,
            "shared": True,
            "provider:network_type": "vlan",
            "provider:physical_network": "physnet1",
            "provider:segmentation_id": 30,
        },
    )

    assert sorted(network["name"] for network in await api.list("networks", query)) == names
