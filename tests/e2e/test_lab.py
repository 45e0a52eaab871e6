"""The lab itself: it carries traffic, tells what was lost, and leaves nothing behind."""

import json
import sys
from pathlib import Path

import pytest
from e2e.lab import Lab, Machine, Vif, leftovers
from e2e.lab.machine import INTERFACE
from support.processes import Process, logs
from support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("requirements")

ENDLESS_LAB = """
import time
from e2e.lab import Lab
with Lab(hosts=1) as lab:
    print("started", lab.names.lab, flush=True)
    time.sleep(600)
"""


def machines_on_a_tunnel(lab: Lab) -> list[Machine]:
    """Put a machine on each of two hosts and join their bridges by a hand-made VXLAN tunnel."""
    machines = []
    for host, peer in zip(lab.hosts, reversed(lab.hosts), strict=True):
        vif = Vif(f"port{host.number}", f"02:00:00:00:00:{host.number:02x}", (f"192.0.2.{host.number}/24",), 1450)
        machines.append(lab.machine(f"{host.number}", host, vif))
        options = [f"options:remote_ip={peer.tunnel_ip}", f"options:local_ip={host.tunnel_ip}", "options:key=5"]
        add = ["add-port", "br-int", "tunnel", "--", "set", "Interface", "tunnel", "type=vxlan"]
        host.switch.vsctl(*add, *options)
    return machines


def test_machines_reach_each_other_through_a_tunnel(lab: Lab) -> None:
    """A tunnel between two hosts carries packets up to the machines' MTU."""
    one, two = machines_on_a_tunnel(lab)

    one.wait_for_ping(two.address)

    headers = 28  # IPv4 and ICMP
    one.wait_for_ping(two.address, size=1450 - headers)
    assert not one.ping(two.address, size=1451 - headers)


def test_interface_in_the_switch_tells_its_port(lab: Lab) -> None:
    """The switch knows a machine's interface by the external_ids that agents look for."""
    vif = Vif("0123456789abcdef", "02:00:00:00:00:01", ("192.0.2.1/24",), 1450)

    lab.machine("machine", lab.hosts[0], vif)

    external_ids = lab.hosts[0].switch.vsctl("get", "Interface", "tap0123456789a", "external_ids")
    assert external_ids == '{attached-mac="02:00:00:00:00:01", iface-id="0123456789abcdef", iface-status=active}'


def test_background_ping_reports_exactly_the_lost_packets(lab: Lab) -> None:
    """A cable that is pulled costs the pings of that time, in a row; one left alone costs none."""
    one, two = machines_on_a_tunnel(lab)

    with one.pinging(two.address) as undisturbed:
        wait_for_frames(one, 60)
        calm = undisturbed.stop()
    with one.pinging(two.address) as disturbed:
        lab.underlay.cut(1)
        wait_for_frames(one, 30)
        lab.underlay.mend(1)
        one.wait_for_ping(two.address)
        cut = disturbed.stop()

    assert calm.sent >= 40
    assert calm.lost == ()
    assert len(cut.lost) >= 20
    assert list(cut.lost) == list(range(cut.lost[0], cut.lost[0] + len(cut.lost)))


def wait_for_frames(machine: Machine, count: int) -> None:
    """Return once a machine has sent so many frames, a few of which may be no pings."""
    enough = frames_sent(machine) + count
    wait_until(lambda: frames_sent(machine) >= enough, what=f"{count} frames from {machine.name}")


def frames_sent(machine: Machine) -> int:
    """Return how many frames have left a machine."""
    (interface,) = json.loads(machine.namespace.ip("-json", "-statistics", "link", "show", "dev", INTERFACE))
    sent: int = interface["stats64"]["tx"]["packets"]
    return sent


def test_two_labs_at_once_do_not_meet() -> None:
    """Two labs with the same addresses run side by side, each with its own traffic."""
    with Lab() as first, Lab() as second:
        pairs = [machines_on_a_tunnel(first), machines_on_a_tunnel(second)]
        for one, two in pairs:
            one.wait_for_ping(two.address)

        second.remove()

        one, two = pairs[0]
        one.wait_for_ping(two.address)
        assert leftovers(second.names.lab) == []


def test_failure_inside_the_lab_leaves_nothing() -> None:
    """An error in the block ends with every namespace, process and file removed."""
    lab = Lab()

    with pytest.raises(TimeoutError, match=r"198\.51\.100\.1"), lab:  # noqa: PT012 - the lab ends inside
        one, _ = machines_on_a_tunnel(lab)
        assert leftovers(lab.names.lab) != []
        one.wait_for_ping("198.51.100.1", timeout=0.5)

    assert leftovers(lab.names.lab) == []


def test_lab_of_a_killed_process_goes_and_no_other(lab: Lab, tmp_path: Path) -> None:
    """What a killed run left is removed; a lab whose owner lives is not touched."""
    script = [sys.executable, "-c", ENDLESS_LAB]
    paths = {"PYTHONPATH": ":".join(sys.path)}
    run = Process("run", script, log=tmp_path / "log", ready=logs("started"), environment=paths)
    with run:
        killed = run.output().split()[-1]
        assert leftovers(killed) != []

        run.kill()

    wait_until(lambda: not leftovers(killed), what=lambda: f"{leftovers(killed)} to be gone")
    assert lab.hosts[0].switch.vsctl("list-br") == "br-phy"
