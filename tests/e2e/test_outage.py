"""A driver that is gone stops nobody: what it is owed waits in the ledger until it is back."""

from e2e.lab.cloud import Cloud
from support.waiting import wait_until


def kill_drivers(cloud: Cloud) -> None:
    """Kill every driver process."""
    for driver in cloud.control_plane.drivers.values():
        driver.kill()


def start_drivers(cloud: Cloud) -> None:
    """Start every driver process again."""
    for driver in cloud.control_plane.drivers.values():
        driver.start()


def test_port_made_while_the_drivers_are_down_is_delivered(cloud: Cloud) -> None:
    """A port created without drivers is accepted, owed, and wired when they are back."""
    near, far = cloud.lab.hosts
    network = cloud.network("blue", "10.0.0.0/24")
    one = cloud.boot("one", network, near)
    wait_until(lambda: cloud.control_plane.debts() == [], what="the ledger to be empty")

    kill_drivers(cloud)
    port = cloud.api.create("port", network_id=network["id"], name="two", **{"binding:host_id": far.name})
    assert port["status"] != "ACTIVE"
    assert {debt["resource_id"] for debt in cloud.control_plane.debts()} == {port["id"]}
    start_drivers(cloud)

    two = cloud.plug("two", port, far)
    cloud.api.wait_for("port", port["id"], status="ACTIVE")
    one.wait_for_ping(two.address)
    wait_until(lambda: cloud.control_plane.debts() == [], what="the ledger to be empty")


def test_port_deleted_while_the_drivers_are_down_returns_its_address(cloud: Cloud) -> None:
    """A deleted port is gone for its user at once; its address is given again once the drivers know."""
    network = cloud.network("blue", "192.0.2.0/30")
    port = cloud.api.create("port", network_id=network["id"], **{"binding:host_id": "host-1"})
    wait_until(lambda: cloud.control_plane.debts() == [], what="the ledger to be empty")

    kill_drivers(cloud)
    cloud.api.delete("port", port["id"])
    assert cloud.api.list("port") == []
    start_drivers(cloud)
    wait_until(lambda: cloud.control_plane.debts() == [], what="the ledger to be empty")

    successor = cloud.api.create("port", network_id=network["id"], **{"binding:host_id": "host-1"})
    assert successor["fixed_ips"] == port["fixed_ips"]


def test_suspended_driver_does_not_hold_up_the_api(cloud: Cloud) -> None:
    """With a driver that hangs, the API answers, and machines that run keep running."""
    network = cloud.network("blue", "10.0.0.0/24")
    one, two = (cloud.boot(host.name, network, host) for host in cloud.lab.hosts)

    with one.pinging(two.address) as ping:
        cloud.control_plane.drivers["fabric"].suspend()
        # It is answered while the driver hangs: nobody wakes it before.
        port = cloud.api.create("port", network_id=network["id"], **{"binding:host_id": "host-1"})
        passed = "precommit.passed_without_verdict" in cloud.control_plane.core.output()
        cloud.control_plane.drivers["fabric"].resume()
        report = ping.stop()

    assert port["binding:vif_type"] == "ovs"
    assert passed
    assert report.lost == ()
