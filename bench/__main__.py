"""``python -m bench``: measure the core beside its floor, and what drivers and big worlds cost beside their limits.

Sequential phases give latency and the CPU of the core process per object;
concurrent phases give throughput. Everything runs on this machine, so absolute
times are those of a busy machine; compare ratios within one run.
"""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from bench import audit, debts, floor, hosts, mending, overhead, scale, silence, switches, wiring
from bench.client import Client, Phase
from bench.stack import Stack, fabrics

HOST = "bench-host"
SECTIONS = ("requests", "overhead", "scale", "audit", "debts", "hosts", "wiring", "switches", "silence", "mending")


def main() -> int:
    """Run the bench."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--sections", nargs="*", choices=SECTIONS, default=SECTIONS, help="by default all")
    parser.add_argument("--drivers", type=int, nargs="*", default=[0, 1, 4], help="numbers of drivers (default 0 1 4)")
    parser.add_argument("--ports", type=int, default=300, help="ports in each port phase (default 300)")
    parser.add_argument("--lists", type=int, nargs="*", default=[1000, 5000], help="sizes of lists (default 1000 5000)")
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--rounds", type=int, default=80, help="rounds of creates (default 80)")
    parser.add_argument("--owed", type=int, default=5000, help="ports that a driver is owed (default 5000)")
    parser.add_argument("--debts", type=int, default=10_000, help="debts after an hour (default 10000)")
    parser.add_argument("--many", type=int, default=100_000, help="ports in a big world (default 100000)")
    parser.add_argument("--hosts", type=int, default=1000, help="hosts with an agent, 20 ports each (default 1000)")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    # An agent of the SDK lives in this process; its log is not what is asked for.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    results: list[dict[str, Any]] = []
    if "requests" in arguments.sections:
        for count in arguments.drivers:
            results += asyncio.run(_measure(count, arguments))
    figures = _figures(arguments)
    if arguments.json:
        rows = {section: _rows(of_section) for section, of_section in figures.items()}
        arguments.json.write_text(json.dumps({"requests": results, **rows}, indent=1))
    is_over = any(figure.is_over for of_section in figures.values() for figure in of_section)
    return 1 if is_over or any(row["errors"] for row in results) else 0


def _figures(arguments: argparse.Namespace) -> dict[str, Sequence[overhead.Figure]]:
    """Measure what has limits; return the figures by section, none for those that nobody asked for."""
    runs: dict[str, Callable[[], Sequence[overhead.Figure]]] = {
        "overhead": lambda: asyncio.run(_overhead(arguments)),
        "scale": lambda: asyncio.run(_scale(arguments)),
        "audit": lambda: asyncio.run(_audit(arguments)),
        "debts": lambda: asyncio.run(_debts(arguments)),
        "hosts": lambda: asyncio.run(_hosts(arguments)),
        "wiring": lambda: _wiring(arguments),
        "switches": lambda: asyncio.run(_switches()),
        "silence": lambda: _silence(arguments),
        "mending": lambda: _mending(arguments),
    }
    return {section: run() if section in arguments.sections else [] for section, run in runs.items()}


async def _measure(drivers: int, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure the core with *drivers* drivers that take part in precommit and postcommit."""
    phases: list[Phase] = []
    async with Stack(fabrics(drivers), arguments.database) as stack:
        async with Client(stack.url, stack.core_pid, HOST, _progress(phases)) as client:
            await _phases(client, arguments.ports, arguments.lists, bound=drivers > 0)
        rows = [{"drivers": drivers, **phase.row()} for phase in phases]
    if drivers == 1:
        create = next(row for row in rows if row["phase"] == "create port")
        rows.append(await floor.measure(arguments.database, arguments.ports, create["core_cpu_ms"]))
    _print(f"{drivers} drivers, {arguments.database}", rows)
    return rows


async def _overhead(arguments: argparse.Namespace) -> list[overhead.Figure]:
    """Measure what one more driver costs; on PostgreSQL, which the limits are for."""
    figures = await overhead.measure(rounds=arguments.rounds, owed=arguments.owed)
    print("overhead: CPU of the core process")
    for figure in figures:
        print(f"  {figure}")
    return figures


async def _scale(arguments: argparse.Namespace) -> list[overhead.Figure]:
    """Measure what a big world costs; on PostgreSQL, which has those."""
    figures = await scale.measure(rounds=max(5, arguments.rounds // 4), many=arguments.many)
    for figure in figures:
        print(f"  {figure}")
    return figures


async def _audit(arguments: argparse.Namespace) -> list[overhead.Figure]:
    """Measure what an audit of a big device costs."""
    figures = await audit.measure(rounds=max(3, arguments.rounds // 20), many=arguments.many)
    for figure in figures:
        print(f"  {figure}")
    return figures


async def _debts(arguments: argparse.Namespace) -> list[overhead.Figure]:
    """Measure how fast a driver is told what it missed, and what that costs users."""
    figures = await debts.measure(rounds=max(3, arguments.rounds // 10), debts=arguments.debts)
    for figure in figures:
        print(f"  {figure}")
    return figures


async def _hosts(arguments: argparse.Namespace) -> list[overhead.Figure]:
    """Measure what many hosts cost, and how soon they hear; on PostgreSQL."""
    figures = await hosts.measure(hosts=arguments.hosts, creates=arguments.rounds)
    for figure in figures:
        print(f"  {figure}")
    return figures


def _wiring(arguments: argparse.Namespace) -> list[overhead.Figure]:
    """Measure how long a port waits on its host."""
    figures = wiring.measure(rounds=max(5, arguments.rounds // 4), burst=100, repeats=3)
    for figure in figures:
        print(f"  {figure}")
    return figures


async def _switches() -> list[overhead.Figure]:
    """Measure how soon switches are true, half of them dead."""
    figures = await switches.measure(switches=50, ports=2000, vlans=500, rounds=3)
    for figure in figures:
        print(f"  {figure}")
    return figures


def _silence(arguments: argparse.Namespace) -> list[overhead.Figure]:
    """Measure what users notice of a driver that does not answer."""
    figures = silence.measure(rounds=max(3, arguments.rounds // 10), creates=20)
    for figure in figures:
        print(f"  {figure}")
    return figures


def _mending(arguments: argparse.Namespace) -> list[overhead.Figure]:
    """Measure how long hosts are cut off that somebody has broken."""
    figures = mending.measure(rounds=max(3, arguments.rounds // 10))
    for figure in figures:
        print(f"  {figure}")
    return figures


def _rows(figures: Sequence[overhead.Figure]) -> list[dict[str, Any]]:
    return [figure.row() for figure in figures]


async def _phases(client: Client, count: int, lists: Sequence[int], *, bound: bool) -> None:
    network = (await client.phase("warm-up", [client.create_network()]))[0]["id"]
    await client.create_subnet(network)()
    make = client.create_port if bound else client.create_unbound_port
    for port in [await make(network)() for _ in range(30)]:
        await client.delete_port(port["id"])()
    networks = await client.phase("create network", [client.create_network() for _ in range(count // 5)])
    await client.phase("create subnet", [client.create_subnet(one["id"]) for one in networks])
    ports = await client.phase("create port", [make(network)] * count)
    await client.phase("show port", [client.show_port(port["id"]) for port in ports])
    await client.phase("update port", [client.update_port(port["id"]) for port in ports])
    await client.phase("delete port", [client.delete_port(port["id"]) for port in ports])
    ports = await client.phase("create port, concurrent", [make(network)] * count * 2, workers=8)
    await client.phase("update port, concurrent", [client.update_port(port["id"]) for port in ports], workers=8)
    await client.phase("delete port, concurrent", [client.delete_port(port["id"]) for port in ports], workers=8)
    total = 0
    for size in lists:
        bulks = [client.create_ports(network, 100, bound=bound)] * ((size - total) // 100)
        await client.phase(f"bulk of 100 ports, up to {size}", bulks, weight=100)
        total = size
        await client.phase(f"list {size} ports", [client.list_ports(size)] * 10)


def _progress(phases: list[Phase]) -> Any:
    def note(phase: Phase) -> None:
        if phase.name != "warm-up":
            phases.append(phase)
        print(f"  {phase.name}: {phase.objects} objects in {phase.seconds:.1f} s", file=sys.stderr, flush=True)
        for error in phase.errors[:3]:
            print(f"    error: {error}", file=sys.stderr)

    return note


def _print(title: str, rows: Sequence[dict[str, Any]]) -> None:
    table = Table(*[name for name in rows[0] if name != "drivers"], title=title)
    for row in rows:
        table.add_row(*[str(row.get(str(column.header), "")) for column in table.columns])
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    for row in rows:
        if "ratio" in row:
            print(f"create port: {row['ratio']} times the floor ({row['core_cpu_ms']} ms of CPU)")


if __name__ == "__main__":
    sys.exit(main())
