"""What many switches cost, half of them dead: how soon the living half is true, and in how many edits.

Every living switch is a real NETCONF server behind a real sshd. Of the dead ones half refuse connections
and half accept them and say nothing, as a host does that hangs. The driver runs in a process of its own
and is told what the core would tell it, in batches of the size that it allows: ports in turn on all hosts,
so that every batch concerns every switch. What it answers "in progress" is asked again, as the core does.
"""

import asyncio
import random
import shutil
import socket
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import yaml
from jackfield_sdk import Action, Done
from jackfield_sdk.testing import Core, Wanted, a_network, a_port, a_segment
from support.netconf.switch import NetconfSwitch, missing_requirements
from support.ports import free_port
from support.processes import Process, accepts, start_together
from support.reaper import owned

from bench.hosts import Single
from bench.overhead import Figure

_LIVING_WITHIN = 60.0
_MANY_WITHIN = 2.0
_BATCH = 500
_PORTS = ("Ethernet1", "Ethernet2")
# Seconds between two questions for what is in progress, and after which the bench gives up.
_AGAIN = 1.0
_PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Told:
    """A change, and the switch that it is for."""

    switch: str
    change: Wanted


async def measure(*, switches: int, ports: int, vlans: int, rounds: int) -> list[Figure]:
    """Return the figures of *ports* changes on *switches*, half of them dead, and of *vlans* on one."""
    if missing := missing_requirements():
        print(f"switches: skipped, because this machine lacks {', '.join(missing)}", file=sys.stderr)
        return []
    return [*await _half_dead(switches, ports), *await _many_vlans(vlans, rounds)]


async def _half_dead(number: int, ports: int) -> list[Figure]:
    living = [f"leaf{index}" for index in range(0, number, 2)]
    dead = [f"leaf{index}" for index in range(1, number, 2)]
    with _site(living, dead) as (switches, address):
        async with _core(address) as core:
            told = [_a_port(index, living + dead) for index in range(ports)]
            batches = [told[start : start + _BATCH] for start in range(0, len(told), _BATCH)]
            began = time.monotonic()
            await asyncio.gather(*[_until_living_are_true(core, batch, set(living)) for batch in batches])
            spent = time.monotonic() - began
        edits = [len(switch.payloads) for switch in switches.values()]
    return [
        Single(f"{ports} ports on {number} switches, half dead: the living are true", "s", _LIVING_WITHIN, [spent]),
        Single(f"edits of a living switch for {len(batches)} batches, at most", "", len(batches) + 0.5, [max(edits)]),
    ]


async def _many_vlans(vlans: int, rounds: int) -> list[Figure]:
    spent: list[float] = []
    for _ in range(rounds):
        with _site(["leaf0"], []) as (_, address):
            async with _core(address) as core:
                # The driver's first word with a switch is to log in. It is about another interface, because
                # netconfd refuses the first VLAN that joins a trunk which it has just made.
                await _until_living_are_true(core, [_a_network_of(2, "leaf0", host="other")], {"leaf0"})
                many = [_a_network_of(3 + index, "leaf0") for index in range(vlans)]
                began = time.monotonic()
                await _until_living_are_true(core, many, {"leaf0"}, again=0.02)
                spent.append(time.monotonic() - began)
    return [Figure(f"{vlans} VLANs on one switch", "s", _MANY_WITHIN, spent)]


async def _until_living_are_true(core: Core, told: Sequence[Told], living: set[str], again: float = _AGAIN) -> None:
    """Send a batch until every change for a living switch is done; those for dead ones are sent with it."""
    left, end = list(told), time.monotonic() + _PATIENCE
    while any(one.switch in living for one in left):
        answers = await core.postcommit_all([one.change for one in left])
        left = [one for one, answer in zip(left, answers, strict=True) if not isinstance(answer, Done)]
        if time.monotonic() > end:
            raise TimeoutError(f"{len(left)} changes are not true after {_PATIENCE:g} s")
        if any(one.switch in living for one in left):
            await asyncio.sleep(again * random.uniform(0.5, 1.0))


def _a_port(index: int, switches: Sequence[str]) -> Told:
    """Make a port on the host of the next switch, every other one on a network that is new there."""
    switch = switches[index % len(switches)]
    return _a_network_of(2 + index // len(switches) // 2, switch)


def _a_network_of(vlan: int, switch: str, *, host: str = "host") -> Told:
    network = a_network(a_segment("vlan", vlan, switch), id=str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{vlan}.{switch}")))
    port = a_port(network, f"{host}-{switch}", driver="ovs")
    return Told(switch, Wanted(Action.CREATE, port, 1, network=network))


@contextmanager
def _site(living: Sequence[str], dead: Sequence[str]) -> Iterator[tuple[dict[str, NetconfSwitch], str]]:
    """Start switches and a driver of them; gives the living ones and the driver's address."""
    folder = Path(tempfile.mkdtemp(prefix=owned("bench")))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        switches = {name: NetconfSwitch(folder / name, ports=_PORTS) for name in living}
        with ThreadPoolExecutor(4) as pool:
            for switch in switches.values():
                stack.callback(switch.stop)
            list(pool.map(NetconfSwitch.start, switches.values()))
        entries = {name: _entry(name, switch.port, switch.host_key) for name, switch in switches.items()}
        entries |= {name: _entry(name, _nobody(stack, index), "") for index, name in enumerate(dead)}
        socket_file = folder / "driver.sock"
        inventory = folder / "inventory.yaml"
        inventory.write_text(yaml.safe_dump(_inventory(switches, entries, folder)))
        environment = {
            "JACKFIELD_DRIVER_LISTEN": f"unix://{socket_file}",
            "JACKFIELD_DRIVER_LOG_LEVEL": "warning",
            "JACKFIELD_ARISTA_INVENTORY": str(inventory),
            "JACKFIELD_ARISTA_STATE_DIRECTORY": str(folder / "state"),
        }
        command = [sys.executable, "-m", "jackfield_arista", "driver"]
        log = folder / "driver.log"
        driver = Process("arista", command, log=log, ready=accepts(socket_file), environment=environment, timeout=60)
        start_together([driver])
        stack.callback(driver.stop, 35.0)
        yield switches, f"unix:{socket_file}"


@asynccontextmanager
async def _core(address: str) -> AsyncIterator[Core]:
    """Introduce a core to the driver."""
    async with grpc.aio.insecure_channel(address, options=[("grpc.default_authority", "localhost")]) as channel:
        core = Core(channel, timeout=60.0)
        await core.handshake()
        yield core


def _nobody(stack: ExitStack, index: int) -> int:
    """Return a port that refuses connections, or accepts them and is silent."""
    if index % 2:
        return free_port()
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    return int(listener.getsockname()[1])


def _entry(name: str, port: int, host_key: str) -> dict[str, Any]:
    entry = {"address": "127.0.0.1", "port": port, "credential": name if host_key else "nobody", "group": name}
    return entry | ({"host_key": host_key} if host_key else {})


def _inventory(
    switches: dict[str, NetconfSwitch], entries: dict[str, dict[str, Any]], folder: Path
) -> dict[str, dict[str, Any] | list[dict[str, Any]]]:
    nobody = {"nobody": {"username": "nobody", "key_file": str(folder / "no-key")}}
    return {
        "credentials": nobody
        | {name: {"username": switch.user, "key_file": str(switch.key_file)} for name, switch in switches.items()},
        "groups": {name: {"physical_network": name} for name in entries},
        "switches": entries,
        "attachments": [
            {"host": f"{host}-{name}", "switch": name, "interfaces": [interface]}
            for name in entries
            for host, interface in (("host", "Ethernet1"), ("other", "Ethernet2"))
        ],
    }
