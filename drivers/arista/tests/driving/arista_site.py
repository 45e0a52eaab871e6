"""A datacentre for tests: switches, the inventory file that describes them, and drivers that read it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Self

import yaml
from jackfield.driver.v1.event_pb2 import WatchResponse
from jackfield_arista.configuration import ownership
from jackfield_arista.configuration.edit import Edit, VlanChange
from jackfield_arista.configuration.model import Configuration
from jackfield_arista.device.dialling import Dialler
from jackfield_arista.device.session import Safety, Session, Timeouts, connect
from jackfield_arista.device.trust import Trust
from jackfield_arista.driver import AristaDriver
from jackfield_arista.inventory.credentials import Credentials
from jackfield_arista.inventory.current import Inventories
from jackfield_arista.lldp.topology import Topology
from jackfield_arista.settings import AristaSettings
from jackfield_sdk import Action, Binding, BindingLevel, Done, Network, Segment
from jackfield_sdk.testing import Core, Failed, Wanted, a_network, a_port, a_segment, running
from support.netconf.fake import FakeSwitch
from support.netconf.switch import NetconfSwitch

Switch = FakeSwitch | NetconfSwitch

DEPLOYMENT = "test"
"""What `jackfield_sdk.testing` introduces itself with."""
PATIENCE = 60.0


class Site:
    """Switches and what is written about them. Files are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inventory_file = folder / "inventory.yaml"
        self.switches: dict[str, Switch] = {}
        self._entries: dict[str, dict[str, Any]] = {}
        self._groups: dict[str, dict[str, Any]] = {}
        self._attachments: list[dict[str, Any]] = []
        self._credentials: dict[str, dict[str, Any]] = {}
        self._stack = ExitStack()
        self._number = 0

    def fake(self, name: str = "leaf1", *, group: str = "leaf1", **more: Any) -> FakeSwitch:
        """Start a switch of our own making."""
        told = {key: more.pop(key) for key in ("ports", "neighbours", "capabilities", "password") if key in more}
        return self._add(name, group, self._stack.enter_context(FakeSwitch(self.folder / name, **told)), more)

    def netconfd(self, name: str = "leaf1", *, group: str = "leaf1", **more: Any) -> NetconfSwitch:
        """Start a switch with a real NETCONF server."""
        told = {key: more.pop(key) for key in ("ports", "neighbours") if key in more}
        return self._add(name, group, self._stack.enter_context(NetconfSwitch(self.folder / name, **told)), more)

    def dead(self, name: str, port: int, *, group: str = "leaf1") -> None:
        """Describe a switch where nobody listens."""
        self._credentials["nobody"] = {"username": "nobody", "key_file": str(self.inventory_file)}
        self._entries[name] = {"address": "127.0.0.1", "port": port, "credential": "nobody", "group": group}
        self._group(group)

    def attach(self, host: str, switch: str, *interfaces: str, **more: Any) -> None:
        """Say where a host is plugged in."""
        entry: dict[str, Any] = {"host": host, "switch": switch, **more}
        self._attachments.append(entry | ({"interfaces": list(interfaces)} if interfaces else {}))

    def detach(self, host: str) -> None:
        """Take a host's cables out of the inventory."""
        self._attachments = [one for one in self._attachments if one["host"] != host]

    def change(self, name: str, **fields: Any) -> None:
        """Change the entry of a switch."""
        self._entries[name] |= fields

    def forget(self, name: str) -> None:
        """Take a switch out of the inventory, with what hangs on it."""
        del self._entries[name]
        self._attachments = [one for one in self._attachments if one["switch"] != name]

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """Have the inventory lose a switch, with what hangs on it, for as long as the block runs."""
        entry, attachments = self._entries[name], self._attachments
        self.forget(name)
        self.write()
        yield
        self._entries[name], self._attachments = entry, attachments
        self.write()

    def log_in_with_password(self, name: str, reference: str) -> None:
        """Log in to a switch with a password, and not with a key."""
        self._credentials[name] = {"username": self.switches[name].user, "password": reference}

    def log_in_as(self, name: str, other: str) -> None:
        """Log in to a switch as to another one."""
        self._credentials[name] = self._credentials[other]

    def remove_vlan(self, name: str, vlan: int) -> None:
        """Have an operator remove a VLAN."""
        before = self.configuration(name).vlans[vlan]
        by_hand(self, Edit(vlans={vlan: VlanChange(before, None)}), name)

    def change_group(self, name: str, **fields: Any) -> None:
        """Change the entry of a group."""
        self._group(name)
        self._groups[name] |= fields

    def write(self) -> None:
        """Write the inventory file as it is described now."""
        content = {
            "credentials": self._credentials,
            "groups": self._groups,
            "switches": self._entries,
            "attachments": self._attachments,
        }
        fresh = self.inventory_file.with_suffix(".new")
        fresh.write_text(yaml.safe_dump(content))
        fresh.rename(self.inventory_file)

    def settings(self, **more: Any) -> AristaSettings:
        """Return settings of a driver on this site, quick where time is lost."""
        told = {
            "inventory": self.inventory_file,
            "state_directory": self.folder / "state",
            "known_hosts": None,
            "retry_min": 0.1,
            "retry_max": 0.5,
            "reload_interval": 0.05,
            # Where no test is about them, these are longer than a busy machine needs.
            "connect_timeout": 60.0,
            "patience": 30.0,
        }
        return AristaSettings(**(told | more))

    @asynccontextmanager
    async def driver(self, **settings: Any) -> AsyncIterator[Core]:
        """Serve a driver of this site, and introduce a core to it."""
        self.write()
        told = self.settings(**settings)
        told.state_directory.mkdir(exist_ok=True)
        inventories = Inventories(told.inventory, interval=told.reload_interval)
        topology = Topology(inventories.current, attach_by_lldp=told.attach_by_lldp)
        self._number += 1
        folder = self.folder / f"s{self._number}"
        folder.mkdir()
        self.last = AristaDriver(told, inventories, topology, Dialler(told))
        async with running(self.last, folder, heartbeat_interval=0.2) as core:
            yield core

    def session(self, name: str = "leaf1") -> Session:
        """Open a session of an operator."""
        switch = self.switches[name]
        trust = Trust(host_key=switch.host_key)
        credentials = Credentials(switch.user, key_file=switch.key_file)
        return connect(switch.address, switch.port, credentials, trust, Timeouts(), switch=name)

    def configuration(self, name: str = "leaf1") -> Configuration:
        """Read a switch."""
        with self.session(name) as session:
            return session.read()

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _add(self, name: str, group: str, switch: Any, more: dict[str, Any]) -> Any:
        self.switches[name] = switch
        self._credentials[name] = {"username": switch.user, "key_file": str(switch.key_file)}
        self._entries[name] = {
            "address": switch.address,
            "port": switch.port,
            "credential": name,
            "host_key": switch.host_key,
            "group": group,
            **more,
        }
        self._group(group)
        return switch

    def _group(self, name: str) -> None:
        self._groups.setdefault(name, {"physical_network": name})


def a_vlan(vlan: int, physical_network: str = "leaf1") -> Network:
    """Make a network of one VLAN."""
    return a_network(a_segment("vlan", vlan, physical_network))


def plugged(network: Network, host: str = "host-1", *, driver: str = "ovs") -> Wanted:
    """Make the first change of a port that is bound on a host by the driver of its agent."""
    return Wanted(Action.CREATE, a_port(network, host, driver=driver), 1, network=network)


def a_machine(
    network: Network, switch_id: str, port_id: str, *, segments: tuple[Segment, ...] = (), info: str = "", **group: Any
) -> Wanted:
    """Make the first change of a baremetal port that this driver has bound."""
    bound = segments or network.segments[:1]
    levels = tuple(BindingLevel(level, "arista", segment.id) for level, segment in enumerate(bound))
    links = [{"switch_id": switch_id, "port_id": port_id, "switch_info": info}]
    profile: dict[str, Any] = {"local_link_information": links}
    if group:
        profile["local_group_information"] = group
    binding = Binding("node-1", "baremetal", profile, "other", {}, levels)
    return Wanted(Action.CREATE, a_port(network, binding=binding), 1, network=network)


def deleted(change: Wanted) -> Wanted:
    """Make the deletion of what a change created."""
    return Wanted(Action.DELETE, change.current, change.revision + 1, network=change.network)


def by_hand(site: Site, edit: Edit, name: str = "leaf1") -> None:
    """Have an operator change a switch."""
    with site.session(name) as session:
        session.apply(edit, Safety(save="never"))


async def until_done(core: Core, *changes: Wanted) -> None:
    """Send changes until each is done, as the core does; AssertionError with the last answers after a while."""
    left, end = list(changes), time.monotonic() + PATIENCE
    while left:
        answers = await core.postcommit_all(left)
        left = [change for change, answer in zip(left, answers, strict=True) if not isinstance(answer, Done)]
        assert time.monotonic() < end, [answer for answer in answers if not isinstance(answer, Done)]
        if left:
            await asyncio.sleep(0.05)


async def failure(core: Core, change: Wanted) -> Failed:
    """Send a change until it fails, and return how."""
    return await until(lambda: _failed(core, change), Failed)


async def until(look: Callable[[], Awaitable[Any]], kind: type | None = None) -> Any:
    """Look until there is something, of a kind if that is told, and return it."""
    end = time.monotonic() + PATIENCE
    while True:
        found = await look()
        if isinstance(found, kind) if kind else found:
            return found
        assert time.monotonic() < end, found
        await asyncio.sleep(0.05)


async def watching(core: Core) -> AsyncIterator[WatchResponse]:
    """Watch from now on: what happens after this has returned is not missed."""
    events = core.watch()
    async for event in events:
        if event.WhichOneof("event") == "in_sync":
            return events
    raise AssertionError("the stream ended before in_sync")


async def drift_in(events: AsyncIterator[WatchResponse]) -> str:
    """Wait until something is told to be other than it was made, and return its id."""
    async for event in events:
        if event.WhichOneof("event") == "drift":
            return event.drift.id
    raise AssertionError("the stream ended without drift")


async def epoch_of(core: Core, switch: str) -> str:
    """Return the epoch of a backend, as a handshake tells it."""
    told = await core.handshake()
    return next(backend.epoch for backend in told.backends if backend.id == switch)


async def _failed(core: Core, change: Wanted) -> Any:
    (answer,) = await core.postcommit_all([change])
    return answer


def named(network: Network) -> str:
    """Return the name of the network's VLAN on every switch."""
    return ownership.mark(DEPLOYMENT, network.id)
