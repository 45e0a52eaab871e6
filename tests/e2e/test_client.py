"""The unmodified ``openstack`` client works against the core."""

from e2e.lab.client import Client
from e2e.lab.cloud import Cloud


def test_client_creates_a_network_and_bound_ports(cloud: Cloud) -> None:
    """Network, subnet and ports made by the client end ACTIVE, and their machines ping each other."""
    client = Client(cloud.control_plane.url)
    client.must("network", "create", "blue")
    client.must("subnet", "create", "--network", "blue", "--subnet-range", "10.0.0.0/24", "blue-4")
    near, far = cloud.lab.hosts

    machines = []
    for host in (near, far):
        made = client.must("port", "create", "--network", "blue", "--host", host.name, f"blue-{host.number}").fields
        machines.append(cloud.plug(made["name"], cloud.api.show("port", made["id"]), host))
        cloud.api.wait_for("port", made["id"], status="ACTIVE")

    machines[0].wait_for_ping(machines[1].address)
    listed = client.must("port", "list", "--network", "blue").rows
    assert {row["Name"]: row["Status"] for row in listed} == {"blue-1": "ACTIVE", "blue-2": "ACTIVE"}


def test_client_shows_the_drivers_refusal(cloud: Cloud) -> None:
    """The client ends with an error that holds the status and the driver's words."""
    client = Client(cloud.control_plane.url)
    vlan = ["--provider-network-type", "vlan", "--provider-physical-network", "physnet1", "--provider-segment", "166"]

    refused = client.run("network", "create", *vlan, "forbidden-lab")

    assert refused.status != 0
    assert "409" in refused.output
    assert "forbidden-lab" in refused.output
