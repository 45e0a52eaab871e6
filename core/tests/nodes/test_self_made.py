"""Addresses that guests make themselves, on the hosts that have to let them pass."""

from typing import Any

from jackfield_core import config
from jackfield_core.context import RequestContext
from jackfield_core.mechanism.manager import MechanismManager
from jackfield_core.mechanism.registry import Registry
from jackfield_core.services.spec import SubnetCreate
from jackfield_core.services.subnet import SubnetService


async def test_hosts_hear_of_addresses_that_come_and_go(site: Any) -> None:
    """A subnet that gives and takes addresses changes the views of ports that are wired already."""
    settings, ctx = config.Settings(), RequestContext(project_id="project")
    subnets = SubnetService(site.fabric.unit_of_work, MechanismManager(Registry(settings), settings.mechanism))
    network = await site.fabric.network()
    ports = [await site.fabric.port(network, "host1", mac_address=f"fa:16:3e:00:00:0{n}") for n in (1, 2)]
    agent = await site.synced("host1")
    before = {port.id: [*agent.ports[port.id].ip_addresses] for port in ports}

    subnet = await subnets.create(
        ctx,
        SubnetCreate(
            network_id=network, project_id="project", ip_version=6, cidr="2001:db8::/64", ipv6_address_mode="slaac"
        ),
    )

    made = {ports[n - 1].id: f"2001:db8::f816:3eff:fe00:{n}" for n in (1, 2)}
    await agent.until(lambda: all(made[id] in agent.ports[id].ip_addresses for id in made))
    await subnets.delete(ctx, subnet.id)
    await agent.until(lambda: {id: [*agent.ports[id].ip_addresses] for id in made} == before)
