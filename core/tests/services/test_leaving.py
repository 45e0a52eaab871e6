"""What nobody has any more is free when the drivers that knew of it have heard, and not before.

The drivers of these tests are rows of the ledger: a test says when one of them
has acknowledged what it is owed.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from jackfield_core.db import address, delivery, leaving, network, port, segment, subnet
from jackfield_core.db.forgetting import forget_kinds
from jackfield_core.db.port import Binding, Port
from jackfield_core.errors import Conflict
from jackfield_core.services.spec import PortCreate, PortUpdate, SubnetCreate
from jackfield_core.types import BindingLevel, Kind
from msgspec.structs import replace
from support.silent_cloud import CTX, MAC, Cloud


async def test_an_address_that_an_update_takes_away(cloud: Cloud, network_id: str) -> None:
    """It goes to nobody else before the last driver has heard of the update."""
    one = await cloud.port(network_id, "192.0.2.5", MAC.format(1))
    for driver in "ab":
        await cloud.pay(driver)
    await cloud.readdress(one.id, "192.0.2.6")
    await cloud.pay("a")

    with pytest.raises(Conflict, match="already allocated"):
        await cloud.port(network_id, "192.0.2.5", MAC.format(2))
    await cloud.pay("b")

    assert (await cloud.port(network_id, "192.0.2.5", MAC.format(2))).fixed_ips[0].ip_address == "192.0.2.5"


async def test_a_port_may_have_back_what_it_let_go_of(cloud: Cloud, network_id: str) -> None:
    """Its address and its MAC address are its own again at once, and stay so when drivers hear of all that."""
    one = await cloud.port(network_id, "192.0.2.5", MAC.format(1))
    await cloud.readdress(one.id, "")
    await cloud.ports.update(CTX, one.id, PortUpdate(mac_address=MAC.format(2)))
    await cloud.readdress(one.id, "192.0.2.5")
    await cloud.ports.update(CTX, one.id, PortUpdate(mac_address=MAC.format(1)))

    for driver in "ab":
        await cloud.pay(driver)

    assert await cloud.held(network_id) == {"192.0.2.5", MAC.format(1)}


async def test_a_mac_address_that_an_update_takes_away(cloud: Cloud, network_id: str) -> None:
    """Neither a new port nor another one gets it before the last driver has heard."""
    one = await cloud.port(network_id, "", MAC.format(1))
    two = await cloud.port(network_id, "", MAC.format(2))
    await cloud.ports.update(CTX, one.id, PortUpdate(mac_address=MAC.format(3)))
    await cloud.pay("a")

    with pytest.raises(Conflict, match=MAC.format(1)):
        await cloud.port(network_id, "", MAC.format(1))
    with pytest.raises(Conflict, match=MAC.format(1)):
        await cloud.ports.update(CTX, two.id, PortUpdate(mac_address=MAC.format(1)))
    await cloud.pay("b")

    assert (await cloud.ports.update(CTX, two.id, PortUpdate(mac_address=MAC.format(1)))).mac_address == MAC.format(1)


async def test_a_segment_that_is_removed(cloud: Cloud, network_id: str) -> None:
    """Users do not see it any more; its VLAN is another's when the last driver has heard of it."""
    id = await cloud.segment(network_id, 100)
    other = await cloud.network()
    for driver in "ab":
        await cloud.pay(driver)
    await cloud.segments.delete(CTX, id)
    await cloud.pay("a")

    assert [one.network_type for one in (await cloud.networks.get(CTX, network_id)).segments] == ["vxlan"]
    with pytest.raises(Conflict, match="100"):
        await cloud.segment(other, 100)
    await cloud.pay("b")

    await cloud.segment(other, 100)
    assert await cloud.count(segment.table) == 3


async def _bound_to(cloud: Cloud, network_id: str, segment_id: str) -> Port:
    """Create a port that is bound to a segment, as all drivers know."""
    port = await cloud.port(network_id, "", MAC.format(1))
    async with cloud.work() as tx:
        bound = replace(port, binding=Binding(host="host1", vif_type="ovs"))
        await tx.ports.update_binding(bound, (BindingLevel(0, "a", segment_id),))
    for driver in "ab":
        await cloud.pay(driver)
    return port


@pytest.mark.parametrize("by", ["hearing", "forgetting", "its end"])
async def test_a_segment_that_a_port_has_just_left(cloud: Cloud, network_id: str, by: str) -> None:
    """Its number is not free while a device may still have the port on it, although all have heard of the network."""
    segment_id = await cloud.segment(network_id, 100)
    left = await _bound_to(cloud, network_id, segment_id)
    await cloud.ports.update(CTX, left.id, PortUpdate(host=""))
    if by == "its end":
        await cloud.ports.delete(CTX, left.id)
    await cloud.segments.delete(CTX, segment_id)
    await cloud.put_off(Kind.PORT)
    for driver in "ab":
        await cloud.pay(driver)

    assert "100" in await cloud.held(network_id)
    await cloud.put_off(Kind.PORT, seconds=-60)
    await cloud.pay("a")
    assert "100" in await cloud.held(network_id)
    await (cloud.forget("b") if by == "forgetting" else cloud.pay("b"))

    assert "100" not in await cloud.held(network_id)


async def test_a_port_that_a_driver_refuses_keeps_no_segment(cloud: Cloud, network_id: str) -> None:
    """What no driver has ever accepted is on no device."""
    segment_id = await cloud.segment(network_id, 100)
    await cloud.port(network_id, "", MAC.format(1))
    await cloud.refuse("a", Kind.PORT)
    await cloud.pay("b")

    await cloud.segments.delete(CTX, segment_id)
    for driver in "ab":
        await cloud.pay(driver)

    assert "100" not in await cloud.held(network_id)


async def test_what_concerns_nobody_is_free_at_once(cloud: Cloud, network_id: str, creditors: Any) -> None:
    """Without a driver to tell there is nothing to wait for."""
    creditors.drivers = []
    one = await cloud.port(network_id, "192.0.2.5", MAC.format(1))
    id = await cloud.segment(network_id, 100)

    await cloud.readdress(one.id, "192.0.2.6")
    await cloud.ports.update(CTX, one.id, PortUpdate(mac_address=MAC.format(2)))
    await cloud.segments.delete(CTX, id)

    assert await cloud.held(network_id) == {"192.0.2.6", MAC.format(2)}


@pytest.mark.parametrize("gives_up", ["the operator", "the driver"])
async def test_debts_that_are_given_up_keep_nothing(cloud: Cloud, network_id: str, gives_up: str) -> None:
    """What only waited for a driver is free when an operator forgets its debts, or it wants to hear of nothing."""
    one = await cloud.port(network_id, "192.0.2.5", MAC.format(1))
    await cloud.readdress(one.id, "192.0.2.6")
    id = await cloud.segment(network_id, 100)
    await cloud.segments.delete(CTX, id)
    await cloud.pay("a")

    if gives_up == "the operator":
        await cloud.forget("b")
    else:
        async with cloud.work() as tx:
            await forget_kinds(tx, "b", [*Kind], (), ())

    assert await cloud.held(network_id) == {"192.0.2.6", MAC.format(1)}


async def test_a_subnet_that_comes_back_finds_addresses_in_use(cloud: Cloud, network_id: str) -> None:
    """Of the former subnet a port is still ending, and another one still leaving its address: both are taken."""
    ending = await cloud.port(network_id, "192.0.2.5", MAC.format(1))
    moving = await cloud.port(network_id, "192.0.2.6", MAC.format(2))
    for driver in "ab":
        await cloud.pay(driver)
    await cloud.ports.delete(CTX, ending.id)
    await cloud.readdress(moving.id, "")
    (former,) = (await cloud.networks.get(CTX, network_id)).subnets
    await cloud.subnets.delete(CTX, former.id)
    await cloud.subnet(network_id)
    await cloud.pay("a")

    for taken in ("192.0.2.5", "192.0.2.6"):
        with pytest.raises(Conflict, match="already allocated"):
            await cloud.port(network_id, taken, MAC.format(3))
    await cloud.readdress(moving.id, "192.0.2.6")
    await cloud.pay("a")
    await cloud.pay("b")

    await cloud.port(network_id, "192.0.2.5", MAC.format(3))
    assert await cloud.held(network_id) == {"192.0.2.5", "192.0.2.6", MAC.format(2), MAC.format(3)}
    assert await cloud.count(subnet.table) == 1


async def test_self_made_addresses_go_with_their_subnet(cloud: Cloud) -> None:
    """The subnet waits for the ports that are to lose their addresses, and goes with the last acknowledgement."""
    id = await cloud.network()
    spec = SubnetCreate(
        network_id=id, project_id="project", ip_version=6, cidr="2001:db8::/64", ipv6_address_mode="slaac"
    )
    slaac = await cloud.subnets.create(CTX, spec)
    for number in (1, 2):
        await cloud.port(id, None, MAC.format(number))
    for driver in "ab":
        await cloud.pay(driver)
    await cloud.subnets.delete(CTX, slaac.id)
    await cloud.pay("a")
    tables = (subnet.table, address.table, leaving.table)
    assert [await cloud.count(table) for table in tables] == [1, 2, 2]

    await cloud.pay("b", limit=1)

    assert [await cloud.count(table) for table in tables] == [0, 0, 0]


@pytest.mark.parametrize("owner", ["network:dhcp", "network:router_gateway"])
async def test_ports_of_services_keep_nothing_from_going(cloud: Cloud, network_id: str, owner: str) -> None:
    """A DHCP port loses its address with the subnet and ends with the network; of any other port both wait."""
    id = (await cloud.networks.get(CTX, network_id)).subnets[0].id
    spec = PortCreate(network_id=network_id, project_id="project", device_owner=owner)
    served = await cloud.ports.create(CTX, spec)

    if owner != "network:dhcp":
        with pytest.raises(Conflict, match="IP allocation"):
            await cloud.subnets.delete(CTX, id)
        with pytest.raises(Conflict, match="ports still in use"):
            await cloud.networks.delete(CTX, network_id)
        return
    await cloud.subnets.delete(CTX, id)
    assert (await cloud.ports.get(CTX, served.id)).fixed_ips == ()
    await cloud.networks.delete(CTX, network_id)
    for driver in "ab":
        await cloud.pay(driver)

    tables = (network.table, subnet.table, port.table, address.table, leaving.table, delivery.table)
    assert [await cloud.count(table) for table in tables] == [0] * 6


Step = Callable[[], Awaitable[None]]


class Wait:
    """Something that *owner* had: which drivers have yet to hear that it is over, or would, had nobody given up."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.drivers = set("ab")
        self.forgotten: set[str] = set()


class Story:
    """Random changes, and what must be in use after each of them."""

    def __init__(self, cloud: Cloud, network_id: str, chance: random.Random) -> None:
        self.cloud = cloud
        self.network_id = network_id
        self.chance = chance
        self.owners: dict[str, str] = {}
        """Who has what."""
        self.waits: dict[str, Wait] = {}
        self.ports: dict[str, dict[str, str]] = {}
        self.segments: dict[str, str] = {}

    @property
    def held(self) -> set[str]:
        return {*self.owners, *self.waits}

    async def step(self) -> None:
        steps: Sequence[Step] = (
            *[self.add_port] * 3,
            *[self.readdress, self.change_mac] * 3,
            self.delete_port,
            *[self.add_segment, self.remove_segment] * 2,
            self.replace_subnet,
            self.hear,
            self.hear,
            self.forget,
        )
        await self.chance.choice(steps)()

    async def add_port(self) -> None:
        wanted = [self.some_address(), self.some_mac()]

        async def add() -> str:
            return (await self.cloud.port(self.network_id, *wanted)).id

        if id := await self.expect(add, "", *wanted):
            self.ports[id] = dict(zip(("ip", "mac"), wanted, strict=True))

    async def readdress(self) -> None:
        await self.exchange("ip", self.some_address(), self.cloud.readdress)

    async def change_mac(self) -> None:
        async def change(id: str, mac_address: str) -> None:
            await self.cloud.ports.update(CTX, id, PortUpdate(mac_address=mac_address))

        await self.exchange("mac", self.some_mac(), change)

    async def exchange(self, name: str, new: str, change: Callable[[str, str], Awaitable[None]]) -> None:
        if not self.ports:
            return
        id = self.chance.choice([*self.ports])
        old = self.ports[id][name]

        async def exchange() -> str:
            await change(id, new)
            return id

        if await self.expect(exchange, id, new):
            self.ports[id][name] = new
            if old != new:
                self.change(id)
                self.leave(id, old)

    async def delete_port(self) -> None:
        if self.ports:
            id = self.chance.choice([*self.ports])
            await self.cloud.ports.delete(CTX, id)
            self.leave(id, *self.ports.pop(id).values())
            self.change(id)
            for wait in self.waits.values():
                # Nobody can have it back any more.
                wait.owner = wait.owner.replace(id, "")

    async def add_segment(self) -> None:
        vlan = str(self.chance.randint(100, 103))

        async def add() -> str:
            return await self.cloud.segment(self.network_id, int(vlan))

        if id := await self.expect(add, "", vlan):
            self.change(self.network_id)
            self.segments[id] = vlan

    async def remove_segment(self) -> None:
        if self.segments:
            id = self.chance.choice([*self.segments])
            await self.cloud.segments.delete(CTX, id)
            self.change(self.network_id)
            self.leave(self.network_id, self.segments.pop(id))

    async def replace_subnet(self) -> None:
        """Delete the subnet, and make another one of the same range, after its last live address has gone."""
        for id, has in self.ports.items():
            if has["ip"]:
                await self.cloud.readdress(id, "")
                self.change(id)
                self.leave(id, has["ip"])
                has["ip"] = ""
        (old,) = (await self.cloud.networks.get(CTX, self.network_id)).subnets
        await self.cloud.subnets.delete(CTX, old.id)
        await self.cloud.subnet(self.network_id)

    async def hear(self) -> None:
        driver = self.chance.choice("ab")
        await self.cloud.pay(driver, limit=self.chance.choice((1, 3, 1000)))
        self.heard(driver)

    async def forget(self) -> None:
        if self.chance.random() < 0.3:
            driver = self.chance.choice("ab")
            await self.cloud.forget(driver)
            self.heard(driver, is_forgotten=True)

    def some_address(self) -> str:
        return self.chance.choice(["", *(f"192.0.2.{number}" for number in range(4, 9))])

    def some_mac(self) -> str:
        return MAC.format(self.chance.randint(1, 6))

    async def expect(self, change: Callable[[], Awaitable[str]], owner: str, *wanted: str) -> str:
        """Have *owner* take what is *wanted*; it must come about if and only if all of that is free or its own."""
        names = [name for name in wanted if name]
        is_free = all(self.is_free_for(owner, name) for name in names)
        try:
            id = await change()
        except Conflict:
            assert not is_free, f"{names} is free"
            return ""
        assert is_free, f"{names} is in use"
        for name in names:
            self.waits.pop(name, None)
            self.owners[name] = id
        return id

    def is_free_for(self, owner: str, thing: str) -> bool:
        if thing in self.owners:
            return self.owners[thing] == owner
        return thing not in self.waits or (owner != "" and self.waits[thing].owner == owner)

    def leave(self, owner: str, *things: str) -> None:
        for thing in filter(None, things):
            del self.owners[thing]
            self.waits[thing] = Wait(owner)

    def change(self, owner: str) -> None:
        """Whoever need not hear of *owner* any more is told of it again, and what it knows counts again."""
        for wait in self.waits.values():
            if wait.owner == owner:
                wait.drivers |= wait.forgotten

    def heard(self, driver: str, *, is_forgotten: bool = False) -> None:
        for wait in self.waits.values():
            if driver in wait.drivers:
                wait.drivers.discard(driver)
                (wait.forgotten.add if is_forgotten else wait.forgotten.discard)(driver)
        self.waits = {thing: wait for thing, wait in self.waits.items() if wait.drivers}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_nothing_is_free_too_early_or_never(cloud: Cloud, network_id: str, seed: int) -> None:
    """After any sequence of changes and acknowledgements, in use is what somebody has, or a driver believes so."""
    story = Story(cloud, network_id, random.Random(seed))

    for _ in range(60):
        await story.step()
        assert await cloud.held(network_id) == story.held

    for driver in "ab":
        await cloud.pay(driver)
    assert await cloud.held(network_id) == {*story.owners}
    assert await cloud.count(leaving.table) == 0
    assert await cloud.count(delivery.table) == 2 * (2 + len(story.ports))
