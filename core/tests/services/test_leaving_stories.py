"""Whatever is changed in whatever order: nothing is free too early, and nothing never.

A story is drawn from a seed: ports, addresses, segments and subnets come and go,
and drivers hear of it sooner or later, or never. After each step is known by
itself what must be in use.
"""

import random
from collections.abc import Awaitable, Callable, Sequence

import pytest
from jackfield_core.db import delivery, leaving
from jackfield_core.errors import Conflict
from jackfield_core.services.spec import PortUpdate
from support.silent_cloud import CTX, MAC, Cloud

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
