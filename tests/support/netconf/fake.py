"""A switch of our own making, in this process, that fails on demand.

    ssh (paramiko) ── Speaker, one a session ── Datastores
                          └ Faults: what the test has prepared for the next requests

It does what the real server does (`support.netconf.switch`) as far as a driver can tell: the same
tests pass on both. What it adds: errors of every kind, connections cut between a commit and its
reply, requests that are never answered, and operational state of its own, so that a neighbour can
vanish the moment that something is committed.
"""

import copy
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from lxml import etree

from support.netconf.datastores import Datastores
from support.netconf.doorman import Doorman
from support.netconf.editing import BASE, key_of, local_name, path_of
from support.netconf.factory import Heard, configuration, is_channel, reported
from support.netconf.faults import Faults
from support.netconf.refusals import Refused, RpcError
from support.netconf.speaker import CAPABILITIES, Channel, Speaker

SOMEBODY = 4711
"""Number of the session that `FakeSwitch.lock_elsewhere` stands for."""
VLAN = (
    '<network-instances xmlns="http://openconfig.net/yang/network-instance"><network-instance><name>default</name>'
    "<vlans><vlan><vlan-id>{id}</vlan-id><config><vlan-id>{id}</vlan-id><name>{name}</name></config></vlan></vlans>"
    "</network-instance></network-instances>"
)
VLAN_ENTRY = "{http://openconfig.net/yang/network-instance}vlan"
INTERFACE = "{http://openconfig.net/yang/interfaces}interface"


class FakeSwitch:
    """A switch at ``127.0.0.1``; a context manager with the attributes of a `NetconfSwitch`."""

    address = "127.0.0.1"

    def __init__(
        self,
        directory: Path,
        *,
        ports: Sequence[str] = ("Ethernet1", "Ethernet2", "Ethernet3", "Port-Channel1"),
        neighbours: Mapping[str, Heard] | None = None,
        capabilities: Sequence[str] = CAPABILITIES,
        password: str = "a password",
    ) -> None:
        """Make a switch that listens from `start` on; *directory* is made, and gets the keys."""
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.ports = tuple(ports)
        self.neighbours = dict(neighbours or {})
        """What is heard by LLDP, by port; may be changed at any time."""
        self.down: set[str] = set()
        """Ports without a link; may be changed at any time."""
        self.forbidden_vlans: set[int] = set()
        """VLANs that this switch cannot have, as EOS those of its routed ports; may be changed at any time."""
        self.capabilities = tuple(capabilities)
        self.faults = Faults()
        self.operations: list[str] = []
        """The operations that were asked for, in their order; see `support.netconf.faults`."""
        self.payloads: list[bytes] = []
        """The ``<config>`` of every edit that was asked for."""
        self.is_awake = threading.Event()
        self.is_awake.set()
        self._after_change: list[Callable[[], None]] = []
        self._numbers = itertools.count(1)
        self._speakers: dict[int, Speaker] = {}
        self.datastores = Datastores(self._factory(), admit=self._admit, changed=self._has_changed)
        self._doorman = Doorman(directory, password, self._welcome)
        self.user, self.password, self.port = self._doorman.user, password, self._doorman.port
        self.key_file, self.host_key = self._doorman.user_key, self._doorman.host_key
        self.known_hosts = directory / "known_hosts"
        self.known_hosts.write_text(f"[{self.address}]:{self.port} {self.host_key}\n")

    def start(self) -> Self:
        """Start listening."""
        self._doorman.open()
        return self

    def stop(self) -> None:
        """Stop listening, and break every connection."""
        self._doorman.close()
        self.cut()
        self.datastores.close()

    power_on, power_off = start, stop

    def reboot(self, *, empty: bool = False) -> None:
        """Start again from what was saved, or *empty*: as it left the factory."""
        self.stop()
        saved = self._factory() if empty else self.datastores.tree("startup")
        self.datastores.replace(saved, "candidate", "running", "startup")
        self.start()

    def pause(self) -> None:
        """Stop answering; connections stay."""
        self.is_awake.clear()

    def resume(self) -> None:
        """Answer again what was asked meanwhile."""
        self.is_awake.set()

    def cut(self) -> None:
        """Break every connection; new ones are welcome."""
        for speaker in list(self._speakers.values()):
            speaker.hang_up()
        self._doorman.expel_all()

    def change_password(self, password: str) -> None:
        """Let nobody in with the old password from now on."""
        self.password = self._doorman.password = password

    def change_host_key(self) -> None:
        """Be somebody else to whoever connects from now on."""
        self._doorman.change_host_key()

    def running(self) -> bytes:
        """Return the running configuration."""
        return bytes(etree.tostring(self.datastores.tree("running")))

    def edit(self, xml: str) -> None:
        """Change the configuration by another hand: merge the content of a ``<config>``, and commit."""
        for name in ("running", "candidate"):
            config = etree.fromstring(f'<config xmlns="{BASE}">{xml}</config>')
            self.datastores.edit(name, config, "merge", SOMEBODY)
        self.datastores.discard(SOMEBODY)

    def take_vlan(self, vlan: int, name: str) -> None:
        """Have somebody else use a VLAN."""
        self.edit(VLAN.format(id=vlan, name=name))

    @contextmanager
    def lock_elsewhere(self, datastore: str = "candidate") -> Iterator[str]:
        """Have somebody else hold the lock while the block runs; gives the number of their session."""
        self.datastores.lock(datastore, SOMEBODY)
        try:
            yield str(SOMEBODY)
        finally:
            self.datastores.end(SOMEBODY)

    def after_next_change(self, action: Callable[[], None]) -> None:
        """Call *action* once, as soon as the running configuration has changed: before the answer to the commit."""
        self._after_change.append(action)

    def state(self) -> etree._Element:
        """Return the running configuration with what the switch reports."""
        tree = self.datastores.tree("running")
        report = _below_data(reported(self.ports, self.neighbours, self.down))
        states = {key_of(one): one.find("{*}state") for one in report.iter(INTERFACE)}
        for interface in tree.iter(INTERFACE):
            if (state := states.get(key_of(interface))) is not None:
                interface.append(copy.deepcopy(state))
        tree.extend(report.iterchildren("{http://openconfig.net/yang/lldp}lldp"))
        return tree

    def heard(self, operation: str, request: etree._Element) -> None:
        """Take note of a request."""
        self.operations.append(operation)
        if operation == "edit-config":
            self.payloads += [etree.tostring(config) for config in request.iterchildren(f"{{{BASE}}}config")]

    def expel(self, session: int) -> None:
        """End a session for another."""
        speaker = self._speakers.get(session)
        if speaker is None:
            raise Refused(RpcError("invalid-value", f"there is no session {session}", type="protocol"))
        speaker.hang_up()
        self.datastores.end(session)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _welcome(self, channel: Channel) -> None:
        number = next(self._numbers)
        self._speakers[number] = Speaker(number, channel, self)
        self._speakers[number].serve()
        del self._speakers[number]

    def _factory(self) -> etree._Element:
        return _below_data(configuration(self.ports))

    def _admit(self, tree: etree._Element) -> None:
        for interface in tree.iter(INTERFACE):
            name = key_of(interface) or ""
            if name not in self.ports and not is_channel(name):
                raise Refused(RpcError("invalid-value", f"this switch has no {name}", path_of(interface)))
        for vlan in tree.iter(VLAN_ENTRY):
            if int(key_of(vlan) or 0) in self.forbidden_vlans:
                raise Refused(RpcError("invalid-value", f"VLAN {key_of(vlan)} is in internal use", path_of(vlan)))

    def _has_changed(self) -> None:
        while self._after_change:
            self._after_change.pop(0)()


def _below_data(document: str) -> etree._Element:
    config = etree.fromstring(document.encode())
    data = etree.Element("data")
    data.extend(child for child in list(config) if local_name(child))
    return data
