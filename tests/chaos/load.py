"""Clients that work on the site all the time and hold it to its word.

Each client does one thing after the other, at any of the API processes, and gives up after a while
on one that does not answer. What it does next is drawn by chance from what it has: networks,
subnets and ports are created, one by one and in bulk, bound, moved, changed, handed from server to
server, looked at and deleted. Subnets of the newer kind give addresses to ports that are there. One
network is common to all clients, so that they fight for its addresses, and three ports on it are
changed by all of them at the same time.
"""

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import httpx

from chaos.promises import REFUSED_BY_NAME, Answer, Fate, Journal, Outcome, Promise
from chaos.site import HOSTS
from chaos.timeline import Timeline

PATIENCE = 6.0
"""Seconds that a client waits for an answer."""
BEGINNING = 60.0
"""The same, for what all clients share and nobody disturbs."""
SHARED_PORTS = 3
PORTS = 12
NETWORKS = 5
"""How many of its own a client has at most; then it deletes more."""

COLOUR = "leaf:colour"
"""An attribute that the driver "leaf" has declared."""


class Client:
    """One client and what it was promised."""

    def __init__(
        self, name: str, urls: Sequence[str], common: Sequence[Promise], journal: Journal, timeline: Timeline, seed: int
    ) -> None:
        self._name = name
        self._urls = urls
        self._journal = journal
        self._timeline = timeline
        self._chance = random.Random(seed)
        self._count = 0
        self._is_ended = False
        network, *self._shared = common
        self._networks = [network]
        self._subnets: list[Promise] = []
        self._ports: list[Promise] = []

    async def work(self, pause: float) -> None:
        """Go on until told to end, with *pause* seconds between two requests."""
        transport = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_keepalive_connections=len(self._urls)))
        async with httpx.AsyncClient(timeout=PATIENCE, transport=transport) as http:
            self._http = http
            while not self._is_ended:
                await self._next()()
                await asyncio.sleep(pause * self._chance.random() * 2)

    def end(self) -> None:
        """Ask for nothing more; a request that is under way still gets its answer."""
        self._is_ended = True

    def _next(self) -> Callable[[], Awaitable[None]]:
        mine = len(self._networks) - 1
        actions: list[tuple[Callable[[], Awaitable[None]], float]] = [
            (self._create_network, 3 if mine < NETWORKS else 0),
            (self._create_networks, 0.7 if mine < NETWORKS else 0),
            (self._create_subnet, 2 if mine else 0),
            (self._create_slaac_subnet, 1 if mine else 0),
            (self._create_port, 6 if len(self._ports) < PORTS else 1),
            (self._create_ports, 2 if len(self._ports) < PORTS else 0),
            (self._change_network, 2 if mine else 0),
            (self._change_subnet, 1 if self._subnets else 0),
            (self._change_port, 5 if self._ports else 0),
            (self._move_port, 4 if self._ports else 0),
            (self._hand_over_port, 2 if self._ports else 0),
            (self._change_shared_port, 2),
            (self._look, 3),
            (self._delete_port, 4 if self._ports else 0),
            (self._delete_subnet, 0.8 if self._subnets else 0),
            (self._delete_network, 2 if mine > NETWORKS // 2 else 0.3 if mine else 0),
        ]
        return self._chance.choices([action for action, _ in actions], [weight for _, weight in actions])[0]

    # Creating.

    async def _create_network(self) -> None:
        await self._create("network", [self._network_body()], self._networks)

    async def _create_networks(self) -> None:
        bodies = [self._network_body() for _ in range(self._chance.randint(2, 4))]
        await self._create("network", bodies, self._networks)

    async def _create_subnet(self) -> None:
        network = self._chance.choice(self._networks[1:])
        octet = self._chance.randint(0, 255)
        body = {"name": self._mark("s"), "network_id": network.id, "ip_version": 4, "cidr": f"10.77.{octet}.0/26"}
        await self._create("subnet", [body], self._subnets, network)

    async def _create_slaac_subnet(self) -> None:
        network = self._chance.choice(self._networks[1:])
        cidr = f"2001:db8:0:{self._chance.randint(0, 15):x}::/64"
        modes = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
        body = {"name": self._mark("s"), "network_id": network.id, "ip_version": 6, "cidr": cidr, **modes}
        await self._create("subnet", [body], self._subnets, network)

    async def _create_port(self) -> None:
        network = self._chance.choice(self._networks)
        await self._create("port", [self._port_body(network)], self._ports, network)

    async def _create_ports(self) -> None:
        network = self._chance.choice(self._networks)
        bodies = [self._port_body(network) for _ in range(self._chance.randint(2, 6))]
        await self._create("port", bodies, self._ports, network)

    def _network_body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"name": self._mark("n"), "admin_state_up": self._chance.random() < 0.8}
        if self._chance.random() < 0.5:
            body[COLOUR] = self._colour()
        # VLANs are bound by one driver, and all else by another.
        if self._chance.random() < 0.3:
            body["provider:network_type"] = "vxlan"
        return body

    def _port_body(self, network: Promise) -> dict[str, Any]:
        body = {"name": self._mark("p"), "network_id": network.id, "admin_state_up": True}
        if self._chance.random() < 0.7:
            body["binding:host_id"] = self._chance.choice(HOSTS)
        if self._chance.random() < 0.7:
            body |= {"device_owner": "compute:nova", "device_id": self._server()}
        return body

    async def _create(
        self, kind: str, bodies: Sequence[Mapping[str, Any]], mine: list[Promise], network: Promise | None = None
    ) -> None:
        bulk = len(bodies) > 1
        asked = {f"{kind}s": bodies} if bulk else {kind: bodies[0]}
        answer = await self._ask("POST", f"{kind}s", asked)
        if answer.status == 404:
            assert network
            self._judge_absence(network, answer)
        shown = _shown(answer, kind, bulk)
        for number, body in enumerate(bodies):
            promise = Promise(kind, body["name"], network, together=bodies[0]["name"] if bulk else "")
            changeable = {key: value for key, value in body.items() if key in _CHANGEABLE}
            promise.created(answer.outcome, changeable, shown[number] if shown else None)
            self._journal.promises.append(promise)
            if promise.fate is Fate.THERE:
                mine.append(promise)
                self._compare(promise, promise.told, answer)

    # Changing.

    async def _change_network(self) -> None:
        network = self._chance.choice(self._networks[1:])
        asked = {"name": f"{network.mark}~{self._serial()}", "admin_state_up": self._chance.random() < 0.5}
        await self._change(network, self._chance.choice([asked, {COLOUR: self._colour()}]))

    async def _change_subnet(self) -> None:
        subnet = self._chance.choice(self._subnets)
        await self._change(subnet, {"name": f"{subnet.mark}~{self._serial()}"})

    async def _change_port(self) -> None:
        port = self._chance.choice(self._ports)
        asked = {"name": f"{port.mark}~{self._serial()}", "admin_state_up": self._chance.random() < 0.7}
        await self._change(port, asked)

    async def _change_shared_port(self) -> None:
        port = self._chance.choice(self._shared)
        asked = {"name": f"{port.mark}~{self._name}{self._serial()}", "binding:host_id": self._chance.choice(HOSTS)}
        # What another client asks for meanwhile may be seen before that one has its answer.
        port.changed(Outcome.UNCLEAR, asked)
        await self._change(port, asked)

    async def _move_port(self) -> None:
        port = self._chance.choice(self._ports)
        await self._change(port, {"binding:host_id": self._chance.choice((*HOSTS, ""))})

    async def _hand_over_port(self) -> None:
        server = self._chance.choice(("", self._server()))
        asked = {"device_id": server, "device_owner": "compute:nova" if server else ""}
        await self._change(self._chance.choice(self._ports), asked)

    async def _change(self, promise: Promise, asked: Mapping[str, Any]) -> None:
        answer = await self._ask("PUT", f"{promise.kind}s/{promise.id}", {promise.kind: asked})
        if answer.status == 404:
            self._judge_absence(promise, answer)
            return
        promise.changed(answer.outcome, asked)
        if answer.outcome is Outcome.DONE:
            self._compare(promise, answer.body[promise.kind], answer)

    # Looking.

    async def _look(self) -> None:
        promise = self._chance.choice([*self._networks, *self._subnets, *self._ports])
        answer = await self._ask("GET", f"{promise.kind}s/{promise.id}")
        if answer.status == 404:
            self._judge_absence(promise, answer)
        elif answer.outcome is Outcome.DONE:
            self._compare(promise, answer.body[promise.kind], answer)

    # Deleting.

    async def _delete_port(self) -> None:
        await self._delete(self._chance.choice(self._ports))

    async def _delete_subnet(self) -> None:
        await self._delete(self._chance.choice(self._subnets))

    async def _delete_network(self) -> None:
        network = self._chance.choice(self._networks[1:])
        for port in [port for port in self._ports if port.network is network]:
            await self._delete(port)
        await self._delete(network)

    async def _delete(self, promise: Promise) -> None:
        answer = await self._ask("DELETE", f"{promise.kind}s/{promise.id}")
        if answer.status == 404:
            self._judge_absence(promise, answer)
            return
        promise.deleted(answer.outcome)
        if promise.kind == "network":
            # The subnets of a network go with it, also those that were perhaps created.
            for subnet in [one for one in self._journal.promises if one.kind == "subnet" and one.network is promise]:
                subnet.deleted(answer.outcome)
        self._forget_what_is_gone()

    def _judge_absence(self, promise: Promise, answer: Answer) -> None:
        """Take in that something is not there; that is a lie unless a deletion may have come through."""
        if promise.fate is Fate.THERE:
            self._journal.lies.append(f"{promise.kind} {promise.mark} is there, and the answer was: {answer}")
        promise.fate = Fate.GONE
        for child in [one for one in self._journal.promises if one.network is promise]:
            if child.kind == "port" and child.fate is Fate.THERE:
                self._journal.lies.append(f"port {child.mark} is there, and its network is not: {answer}")
            child.fate = Fate.GONE
        self._forget_what_is_gone()

    def _forget_what_is_gone(self) -> None:
        for mine in (self._subnets, self._ports):
            mine[:] = [one for one in mine if one.fate is not Fate.GONE]
        # The common network is always the first.
        self._networks[1:] = [one for one in self._networks[1:] if one.fate is not Fate.GONE]

    # Asking.

    def _compare(self, promise: Promise, shown: Mapping[str, Any], answer: Answer) -> None:
        for attribute in promise.sure:
            if not promise.allows(attribute, shown[attribute]):
                expected = promise.expected(attribute)
                self._journal.lies.append(f"{attribute} is {shown[attribute]!r} and not {expected} in: {answer}")

    async def _ask(self, method: str, path: str, asked: Any = None) -> Answer:
        url = self._chance.choice(self._urls)
        began, at = time.monotonic(), self._timeline.seconds
        status, body = await _request(self._http, method, f"{url}/v2.0/{path}", asked)
        answer = Answer(at, self._name, url, method, path, asked, status, body, time.monotonic() - began)
        self._journal.answers.append(answer)
        if status is None:
            # Who gets no answer takes a breath before he tries elsewhere.
            await asyncio.sleep(self._chance.random())
        if status == 500:
            self._journal.lies.append(f"a fault of the core: {answer}")
        return answer

    def _colour(self) -> str | None:
        return self._chance.choice(("red", "green", "blue", None))

    def _server(self) -> str:
        return str(uuid.UUID(int=self._chance.getrandbits(128), version=4))

    def _mark(self, letter: str) -> str:
        return f"{self._name}-{letter}{self._serial()}."

    def _serial(self) -> int:
        self._count += 1
        return self._count


_CHANGEABLE = ("name", "admin_state_up", "binding:host_id", "device_id", "device_owner", COLOUR)


async def make_common(urls: Sequence[str], journal: Journal) -> list[Promise]:
    """Create the network that all clients share and the ports that all of them change, while all is well yet."""
    network = Promise("network", "common.", is_shared=True)
    ports = [Promise("port", f"common-{number}.", network, is_shared=True) for number in range(SHARED_PORTS)]
    async with httpx.AsyncClient(timeout=BEGINNING, transport=httpx.AsyncHTTPTransport()) as http:

        async def create(kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
            while True:
                status, answer = await _request(http, "POST", f"{urls[0]}/v2.0/{kind}s", {kind: body})
                # A busy machine may leave a driver no time for its verdict: then nothing has happened.
                if status != 503 or answer["NeutronError"]["type"] != REFUSED_BY_NAME:
                    break
                await asyncio.sleep(0.1)
            assert status == 201, answer
            return dict(answer[kind])

        network.created(Outcome.DONE, {}, await create("network", {"name": network.mark}))
        await create("subnet", {"network_id": network.id, "ip_version": 4, "cidr": "10.78.0.0/22"})
        for port in ports:
            body = {"name": port.mark, "binding:host_id": HOSTS[0]}
            port.created(Outcome.DONE, body, await create("port", {**body, "network_id": network.id}))
    journal.promises += [network, *ports]
    return [network, *ports]


async def _request(http: httpx.AsyncClient, method: str, url: str, asked: Any) -> tuple[int | None, Any]:
    try:
        response = await http.request(method, url, json=asked)
        return response.status_code, response.json() if response.content else None
    except (httpx.HTTPError, ValueError):
        return None, None


def _shown(answer: Answer, kind: str, bulk: bool) -> list[dict[str, Any]]:
    """Return the resources that an answer shows, in the order of the request."""
    if answer.outcome is not Outcome.DONE:
        return []
    return list(answer.body[f"{kind}s"]) if bulk else [answer.body[kind]]
