"""What disturbs a cloud, and the proof that machines did not notice."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from e2e.lab.cloud import Cloud
from e2e.lab.machine import Machine
from support.processes import start_together


@contextmanager
def no_ping_lost(pairs: list[tuple[Machine, Machine]]) -> Iterator[None]:
    """Ping from the first to the second of each pair every 10 ms, and fail if any reply is missing."""
    with ExitStack() as stack:
        pings = [stack.enter_context(one.pinging(two.address)) for one, two in pairs]
        yield
        reports = [ping.stop() for ping in pings]
    for report in reports:
        assert report.sent > 20
        assert report.lost == (), str(report)


def prove_service(cloud: Cloud, machines: list[Machine]) -> None:
    """Return once the ports of two *machines* were off and on in turn: core and agents are in step again.

    Nothing is plugged in for it. A user-space Open vSwitch that gets a new port may drop a
    packet of others, all by itself: seen with no agent anywhere near.
    """
    one, two = machines
    for machine in machines:
        cloud.api.update("port", machine.vif.port_id, admin_state_up=False)
        one.wait_for_silence(two.address)
        cloud.api.update("port", machine.vif.port_id, admin_state_up=True)
        one.wait_for_ping(two.address)


def restart_agents(cloud: Cloud) -> None:
    """Stop all agents and start them again."""
    for agent in cloud.agents.values():
        agent.stop()
    start_together(cloud.agents.values())


def kill_agents(cloud: Cloud) -> None:
    """Kill all agents and start them again."""
    for agent in cloud.agents.values():
        agent.kill()
    start_together(cloud.agents.values())


def restart_core(cloud: Cloud) -> None:
    """Stop the core and start it again."""
    cloud.control_plane.core.stop()
    cloud.control_plane.core.start()


def kill_core(cloud: Cloud) -> None:
    """Kill the core and start it again."""
    cloud.control_plane.core.kill()
    cloud.control_plane.core.start()


def restart_drivers(cloud: Cloud) -> None:
    """Stop all drivers and start them again."""
    for driver in cloud.control_plane.drivers.values():
        driver.stop()
    start_together(cloud.control_plane.drivers.values())


def kill_drivers(cloud: Cloud) -> None:
    """Kill all drivers and start them again."""
    for driver in cloud.control_plane.drivers.values():
        driver.kill()
    start_together(cloud.control_plane.drivers.values())
