"""What is asked of the API with few ports in the world, and with a hundred times as many.

Two sites side by side are asked for the same, a few requests at a time and in an
order that changes, so that whatever else the machine does falls on both alike. The
figure of an operation is the median, over the rounds, of the ratio of what it cost in
CPU. Cost may grow with the work and not with the world, so every operation has the
same work on both: pages of a hundred, hosts with a hundred ports.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from bench.client import Request
from bench.overhead import Figure
from bench.site import Cost, Site

FEW = 1_000
LIMIT = 1.2
TURN = 10
"""Requests in a turn: so few that a round is over before the machine is another one."""

Requests = Callable[[Site], Sequence[Request]]


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that is asked for; the answers are kept under *keep*, for operations that follow."""

    name: str
    requests: Requests
    keep: str = ""


def _get(path: str) -> Requests:
    """Return requests for a list; what stands in braces is different in every world."""

    def requests(site: Site) -> Sequence[Request]:
        ids, homes = sorted(site.world.port_ids), site.world.homes
        address = f"10.{homes[7].number}.0.3"
        filled = path.format(middle=ids[len(ids) // 2], network=homes[7].network_id, address=address)
        return [lambda: site.client.call("GET", filled)] * TURN

    return requests


OPERATIONS = (
    Operation("create network", lambda site: [site.client.create_network()] * TURN, keep="networks"),
    Operation("create subnet", lambda site: [site.client.create_subnet(one["id"]) for one in site.kept["networks"]]),
    Operation(
        "create port, unbound",
        lambda site: [site.client.create_unbound_port(site.a_network()) for _ in range(TURN)],
        keep="unbound",
    ),
    Operation(
        "create port, bound",
        lambda site: [site.client.create_port(site.a_network()) for _ in range(TURN)],
        keep="ports",
    ),
    Operation("show port", lambda site: [site.client.show_port(port["id"]) for port in site.kept["ports"]]),
    Operation("update port", lambda site: [site.client.update_port(port["id"]) for port in site.kept["ports"]]),
    Operation("list ports, first page", _get("/ports?limit=100")),
    Operation("list ports, page in the middle", _get("/ports?limit=100&marker={middle}")),
    Operation("list ports by name, first page", _get("/ports?limit=100&sort_key=name&sort_dir=asc")),
    Operation(
        "list ports by name, page in the middle", _get("/ports?limit=100&sort_key=name&sort_dir=asc&marker={middle}")
    ),
    Operation("list ports, of a network", _get("/ports?network_id={network}&limit=5")),
    Operation("list ports, of a host", _get("/ports?binding:host_id=host-00003")),
    Operation("list ports, of a device", _get("/ports?device_id=device-42")),
    Operation("list ports, of a project", _get("/ports?project_id=project-3&limit=50")),
    Operation("list ports, with a name", _get("/ports?name=port-42")),
    Operation("list ports, with a MAC address", _get("/ports?mac_address=fa:16:00:00:00:2a")),
    Operation("list ports, with an address", _get("/ports?fixed_ips=ip_address%3D{address}")),
    Operation("list networks, with a name", _get("/networks?name=network-42")),
    Operation("list deliveries, first page", _get("/deliveries?limit=100")),
    Operation("list deliveries, of a driver", _get("/deliveries?driver=backend&limit=100")),
    Operation("list deliveries, of a port", _get("/deliveries?resource_id={middle}")),
    Operation("list deliveries, that are owed", _get("/deliveries?owed=true&limit=100")),
    Operation("scrape of the metrics", lambda site: [site.client.read("/metrics")] * TURN),
    Operation("look at the readiness", lambda site: [site.client.read("/readyz")] * TURN),
    Operation(
        "create port, bound where an agent is",
        lambda site: [site.wired_client.create_port(site.kept["networks"][0]["id"])] * TURN,
        keep="wired",
    ),
    Operation(
        "report of an agent",
        lambda site: [
            site.report([port["id"] for port in site.kept["wired"]], state) for state in ("down", "up", "down", "up")
        ],
    ),
    Operation(
        "delete port",
        lambda site: [
            site.client.delete_port(port["id"]) for name in ("ports", "unbound", "wired") for port in site.kept[name]
        ],
    ),
    Operation(
        "delete network",
        lambda site: [site.client.delete_network(one["id"]) for one in site.kept["networks"]],
    ),
)


async def measure(*, rounds: int, many: int) -> list[Figure]:
    """Return the ratio of each operation's CPU with *many* ports to that with a few; print what it is made of."""
    # The big one first: while a world is written, the agent of another site would not be heard.
    async with Site(many) as most, Site(FEW) as few:
        print(f"{many} ports, each told to two drivers, in {most.delivered_in:.0f} s")
        for site in (few, most):
            await _round([site])
        taken = [await _round([few, most] if number % 2 else [most, few]) for number in range(rounds)]
    costs = {
        operation.name: [(one[few][operation.name], one[most][operation.name]) for one in taken]
        for operation in OPERATIONS
    }
    _print(costs, many)
    return [
        Figure(f"{name}: CPU with {many} ports to that with {FEW}", "times", LIMIT, _ratios(pairs))
        for name, pairs in costs.items()
    ]


async def _round(sites: Sequence[Site]) -> dict[Site, dict[str, Cost]]:
    """Have every site do every operation; they take turns at each."""
    costs: dict[Site, dict[str, Cost]] = {site: {} for site in sites}
    for operation in OPERATIONS:
        for site in sites:
            costs[site][operation.name], answers = await site.take(operation.requests(site))
            if operation.keep:
                site.kept[operation.keep] = answers
    return costs


def _ratios(pairs: Sequence[tuple[Cost, Cost]]) -> list[float]:
    return [many.cpu / few.cpu for few, many in pairs]


def _print(costs: dict[str, list[tuple[Cost, Cost]]], many: int) -> None:
    table = Table("operation", "ms core", "", "ms PostgreSQL", "", "ms latency", "", "CPU ratio")
    table.title = f"medians with {FEW} ports, and with {many}"
    for name, pairs in costs.items():
        parts: list[Callable[[Cost], float]] = [
            lambda cost: cost.core,
            lambda cost: cost.postgres,
            lambda cost: cost.latency,
        ]
        medians = [_median(pairs, place, part) for part in parts for place in (0, 1)]
        ratio = statistics.median(_ratios(pairs))
        table.add_row(name, *(f"{value * 1000:.2f}" for value in medians), f"{ratio:.2f}")
    Console(width=140).print(table)


def _median(pairs: Sequence[tuple[Cost, Cost]], place: int, part: Callable[[Cost], float]) -> float:
    return statistics.median(part(pair[place]) for pair in pairs)
