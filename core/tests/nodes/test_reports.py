"""What an agent reports, and what becomes of it."""

from datetime import timedelta
from typing import Any

from jackfield.node.v1 import node_pb2
from jackfield_core.db.base import now
from jackfield_core.db.delivery import Entry
from jackfield_core.types import Kind

UP, DOWN, ERROR = node_pb2.PORT_STATE_UP, node_pb2.PORT_STATE_DOWN, node_pb2.PORT_STATE_ERROR


async def test_agent_is_listed_with_its_facts(site: Any) -> None:
    """The row of an agent is what it said of itself; a second hello keeps its id."""
    await site.synced("host1", tunnel_ip="2001:DB8::1")
    [first] = await site.fabric.agents("host1")
    await site.synced("host1", version="2")
    [second] = await site.fabric.agents("host1")

    assert first.tunnel_ip == "2001:db8::1"
    assert first.configurations == {"integration_bridge": "br-int"}
    assert first.physical_networks == {"physnet1": "br-ex"}
    assert (second.id, second.version, second.tunnel_ip) == (first.id, "2", None)
    assert site.changed_hosts == ["host1", "host1"]


async def test_port_that_is_wired_becomes_active_and_down_again(site: Any) -> None:
    """Status follows the reports of the host; the revision does not move."""
    port = await site.fabric.port(await site.fabric.network(), "host1")
    agent = await site.synced("host1")

    await agent.report((port, UP))
    up = await site.fabric.wired(port, "up")
    await agent.report((port, DOWN), reason="interface is gone")
    down = await site.fabric.wired(port, "down")

    assert (up.status, down.status) == ("ACTIVE", "DOWN")
    assert down.binding.wiring_reason == "interface is gone"
    assert down.revision_number == port.revision_number


async def test_port_with_admin_state_down_stays_down(site: Any) -> None:
    """A wired port is not ACTIVE against the user's will."""
    port = await site.fabric.port(await site.fabric.network(), "host1", admin_state_up=False)
    agent = await site.synced("host1")

    await agent.report((port, UP))

    assert (await site.fabric.wired(port, "up")).status == "DOWN"


async def test_port_waits_for_the_drivers_that_are_required(site: Any) -> None:
    """A report alone does not make a port ACTIVE while a required driver has never heard of it."""
    network = await site.fabric.network()
    awaited, advisory = await site.fabric.port(network, "host1"), await site.fabric.port(network, "host1")
    async with site.fabric.unit_of_work() as tx:
        await tx.deliveries.record_new(
            [Entry(Kind.PORT, awaited.id, network, "ovs", 1), Entry(Kind.PORT, advisory.id, network, "monitor", 1)]
        )
    agent = await site.synced("host1")

    await agent.report((awaited, UP), (advisory, UP))

    assert (await site.fabric.wired(awaited, "up")).status == "DOWN"
    assert (await site.fabric.wired(advisory, "up")).status == "ACTIVE"


async def test_report_of_a_host_that_the_port_has_left_is_ignored(site: Any) -> None:
    """Only the host of a port is asked about it."""
    network = await site.fabric.network()
    port, witness = await site.fabric.port(network, "host1"), await site.fabric.port(network, "host2")
    agent = await site.synced("host2")

    await agent.report((port, UP), (witness, UP))
    await site.fabric.wired(witness, "up")

    assert (await site.fabric.get(port)).binding.wiring == "unknown"


async def test_refused_view_is_an_error_with_its_reason(site: Any) -> None:
    """A port that cannot be wired says why, and the others are not held up."""
    network = await site.fabric.network()
    bad, good = await site.fabric.ports(network, "host1", count=2)
    agent = await site.agent("host1")
    await agent.hello()
    push = await agent.push()

    refusal = node_pb2.ViewError(kind=node_pb2.VIEW_KIND_PORT, id=bad.id, reason="no such bridge\0")
    await agent.acknowledge(push, refusal)
    await agent.report((good, UP))
    await site.fabric.wired(good, "up")

    failed = await site.fabric.wired(bad, "error")
    assert failed.binding.wiring_reason == "no such bridge\ufffd"
    assert failed.status == "ERROR"


async def test_port_is_in_error_as_long_as_its_host_cannot_wire_it(site: Any) -> None:
    """Not up is not an error, and what works is none any more; a port that is to be down has none."""
    network = await site.fabric.network()
    port = await site.fabric.port(network, "host1")
    disabled = await site.fabric.port(network, "host1", admin_state_up=False)
    agent = await site.synced("host1")

    seen = []
    for state, wiring in ((ERROR, "error"), (DOWN, "down"), (ERROR, "error"), (UP, "up"), (ERROR, "error")):
        await agent.report((disabled, state), (port, state), reason=f"it is {wiring}")
        await site.fabric.wired(port, wiring)
        seen.append((await site.fabric.get(port)).status)

    assert seen == ["ERROR", "DOWN", "ERROR", "ACTIVE", "ERROR"]
    assert (await site.fabric.get(disabled)).status == "DOWN"


async def test_refused_network_is_an_error_of_its_ports_that_are_not_up(site: Any) -> None:
    """A port that works goes on working; one that waits for its network says what for."""
    network = await site.fabric.network()
    works = await site.fabric.port(network, "host1")
    agent = await site.synced("host1")
    await agent.report((works, UP))
    await site.fabric.wired(works, "up")
    waits = await site.fabric.port(network, "host1")
    push = await agent.push()

    refusal = node_pb2.ViewError(kind=node_pb2.VIEW_KIND_NETWORK, id=network, reason="physnet1 is unknown")
    await agent.acknowledge(push, refusal)

    assert (await site.fabric.wired(waits, "error")).binding.wiring_reason == "physnet1 is unknown"
    assert (await site.fabric.get(works)).status == "ACTIVE"


async def test_hundreds_of_reports_are_stored(site: Any) -> None:
    """A host that boots reports everything at once."""
    ports = await site.fabric.ports(await site.fabric.network(), "host1", count=1200)
    agent = await site.synced("host1")

    await agent.report(*((port, UP) for port in ports))
    await site.fabric.wired(ports[-1], "up")

    assert {(await site.fabric.get(port)).status for port in ports[::100]} == {"ACTIVE"}


async def test_lost_stream_changes_no_port(site: Any) -> None:
    """Agents forward without the core, so a port stays ACTIVE when its agent's stream ends."""
    port = await site.fabric.port(await site.fabric.network(), "host1")
    agent = await site.synced("host1")
    await agent.report((port, UP))
    await site.fabric.wired(port, "up")

    agent.call.cancel()
    await site.synced("host1")

    assert (await site.fabric.get(port)).status == "ACTIVE"


async def test_nonsense_in_reports_harms_nobody(site: Any) -> None:
    """Ports that cannot exist are skipped, and what comes after them counts."""
    port = await site.fabric.port(await site.fabric.network(), "host1")
    agent = await site.synced("host1")

    nonsense = [node_pb2.PortReport(port_id=id, state=UP, reason="\0") for id in ("\0", "x" * 5000, "", "unknown")]
    await agent.say(report=node_pb2.Report(ports=nonsense))
    await agent.report((port, UP))

    assert (await site.fabric.wired(port, "up")).status == "ACTIVE"


async def test_sign_of_life_is_noted_and_spared(site: Any) -> None:
    """A heartbeat is stored once in ten seconds, however many arrive."""
    agent = await site.synced("host1")
    [row] = await site.fabric.agents("host1")
    long_ago = now() - timedelta(hours=1)
    async with site.fabric.unit_of_work() as tx:
        await tx.agents.update(row.id, heartbeat_at=long_ago)

    await agent.say(report=node_pb2.Report())

    async def is_fresh() -> bool:
        return (await site.fabric.agents("host1"))[0].heartbeat_at > long_ago + timedelta(minutes=30)

    # The acknowledgement of the first push was a sign of life already.
    assert await site.eventually(is_fresh)


async def test_neighbours_and_devices_are_stored_with_the_agent(site: Any) -> None:
    """LLDP neighbours are facts of the host: whoever binds ports hears of them."""
    agent = await site.synced("host1")
    chassis_id = "00:1c:73:00:00:01"
    neighbour = node_pb2.Neighbour(interface="eth0", chassis_id=chassis_id, port_id="Ethernet7", system_name="leaf1")

    await agent.say(report=node_pb2.Report(neighbours=[neighbour], devices=3))

    async def is_stored() -> Any:
        [row] = await site.fabric.agents("host1")
        return row if row.neighbours else None

    row = await site.eventually(is_stored)
    (stored,) = row.neighbours
    assert stored == {
        "interface": "eth0",
        "chassis_id": chassis_id,
        "port_id": "Ethernet7",
        "system_name": "leaf1",
    }
    assert row.configurations == {"integration_bridge": "br-int", "devices": 3}
    assert site.changed_hosts == ["host1", "host1"]
