"""The listener on real interfaces: frames made by hand go over a virtual cable into a namespace."""

import asyncio
import contextlib
import os
import secrets
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from jackfield_sdk import Neighbour
from jackfield_sdk.lldp_listener import MOST_NEIGHBOURS, LldpListener
from pyroute2 import netns
from support.lldp import announcement
from support.reaper import owned
from support.waiting import wait_until
from support.wire import Wire

pytestmark = [
    pytest.mark.functional,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and ip"),
]

LEAF1, LEAF2 = "00:1c:73:00:00:01", "00:1c:73:00:00:02"


class Host:
    """A namespace with uplinks, each a cable to a switch in another namespace, and the listener on it.

    The listener's clock stands still until the test moves it.
    """

    def __init__(self, *listened: str) -> None:
        tag = f"{owned('lldp')}{secrets.token_hex(2)}"
        self.name, self.switch = f"{tag}h", f"{tag}s"
        self.told: list[Sequence[Neighbour]] = []
        self.now = 1000.0
        for namespace in (self.name, self.switch):
            _ip("netns", "add", namespace)
        self._listened = listened
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._live)

    def start(self) -> None:
        self._thread.start()
        self._started.wait()
        wait_until(lambda: self.told, what="the listener's first word")

    def cable(self, uplink: str) -> None:
        """Plug an uplink into the switch's port of the same name."""
        _ip("-n", self.name, "link", "add", uplink, "type", "veth", "peer", "name", uplink, "netns", self.switch)
        _ip("-n", self.switch, "link", "set", uplink, "up")
        _ip("-n", self.name, "link", "set", uplink, "up")

    def ip(self, *arguments: str) -> None:
        _ip("-n", self.name, *arguments)

    def pull(self, uplink: str) -> None:
        """Take the link of an uplink down at the switch."""
        _ip("-n", self.switch, "link", "set", uplink, "down")

    def plug(self, uplink: str) -> None:
        _ip("-n", self.switch, "link", "set", uplink, "up")

    def say(self, uplink: str, chassis: str, port: str, ttl: int = 120, name: str = "") -> None:
        """Have the switch announce itself on a cable."""
        with Wire(self.switch, uplink) as wire:
            wire.send(announcement(chassis, port, ttl=ttl, name=name))

    def say_until(self, uplink: str, chassis: str, port: str, *expected: Neighbour) -> None:
        """Announce again and again, as a switch does, until the listener tells what is expected."""

        def heard() -> bool:
            self.say(uplink, chassis, port)
            return self.told[-1] == list(expected)

        wait_until(heard, what=lambda: f"{expected}, told is {self.told[-1]}", interval=0.1)

    def wait_for(self, *expected: Neighbour) -> None:
        wait_until(lambda: self.told[-1] == list(expected), what=lambda: f"{expected}, told is {self.told[-1]}")

    def later(self, seconds: float) -> None:
        """Move the clock, and have the listener look at it."""

        def move() -> None:
            self.now += seconds
            self._listener.look_again()

        self._loop.call_soon_threadsafe(move)

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._task.cancel)
            self._thread.join()
        for namespace in (self.name, self.switch):
            _ip("netns", "del", namespace)

    def _live(self) -> None:
        netns.setns(self.name)
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._listen())

    async def _listen(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = LldpListener(lambda: self._listened, lambda heard: self.told.append(heard), lambda: self.now)
        self._task = asyncio.create_task(self._listener.run())
        self._started.set()
        await self._task


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=60)


@pytest.fixture
def make_host() -> Iterator[Any]:
    """Give a maker of hosts, and clean them away."""
    with contextlib.ExitStack() as made:

        def make(*listened: str) -> Host:
            host = Host(*listened)
            made.callback(host.close)
            return host

        yield make


def test_each_cable_has_the_switch_port_at_its_end(make_host):
    """Two uplinks into two switches are told with the port that each announces."""
    host = make_host("u0", "u1")
    host.cable("u0")
    host.cable("u1")
    host.start()

    host.say("u0", LEAF1, "Ethernet7")
    host.say("u1", LEAF2, "Ethernet9", name="leaf2")

    host.wait_for(Neighbour("u0", LEAF1, "Ethernet7"), Neighbour("u1", LEAF2, "Ethernet9", "leaf2"))
    assert host.told[0] == [Neighbour("u0"), Neighbour("u1")]


def test_a_neighbour_is_known_for_as_long_as_it_said(make_host):
    """It is known until its time to live is over, and no longer; said again, it is known again."""
    host = make_host("u0")
    host.cable("u0")
    host.start()
    host.say("u0", LEAF1, "Ethernet7", ttl=120)
    host.wait_for(Neighbour("u0", LEAF1, "Ethernet7"))

    host.later(119)
    host.say("u0", LEAF1, "Ethernet8", ttl=500)
    host.wait_for(Neighbour("u0", LEAF1, "Ethernet7"), Neighbour("u0", LEAF1, "Ethernet8"))
    host.later(2)
    host.wait_for(Neighbour("u0", LEAF1, "Ethernet8"))
    host.later(500)
    host.wait_for(Neighbour("u0"))

    host.say("u0", LEAF1, "Ethernet7")
    host.wait_for(Neighbour("u0", LEAF1, "Ethernet7"))


def test_a_neighbour_that_takes_leave_is_gone_at_once(make_host):
    """A time to live of 0 is a switch's farewell."""
    host = make_host("u0")
    host.cable("u0")
    host.start()
    host.say("u0", LEAF1, "Ethernet7")
    host.wait_for(Neighbour("u0", LEAF1, "Ethernet7"))

    host.say("u0", LEAF1, "Ethernet7", ttl=0)

    host.wait_for(Neighbour("u0"))


def test_a_cable_that_moves_has_one_end(make_host):
    """After the link was down, the first switch that is heard takes the place of the one before."""
    host = make_host("u0")
    host.cable("u0")
    host.start()
    host.say("u0", LEAF1, "Ethernet7")
    host.wait_for(Neighbour("u0", LEAF1, "Ethernet7"))

    wait_until(lambda: host._listener._ears["u0"].is_running, what="the listener sees the link work")
    host.pull("u0")
    wait_until(lambda: host._listener._ears["u0"].was_cut, what="the listener sees the link go")
    host.plug("u0")

    host.say_until("u0", LEAF2, "Ethernet1", Neighbour("u0", LEAF2, "Ethernet1"))


def test_an_interface_may_come_and_go(make_host):
    """An uplink that is made later is listened to when it is there, and one that is made anew as well."""
    host = make_host("u0")
    host.start()
    assert host.told == [[Neighbour("u0")]]

    for port in ("Ethernet7", "Ethernet8"):
        host.cable("u0")
        host.say_until("u0", LEAF1, port, Neighbour("u0", LEAF1, port))
        host.ip("link", "del", "u0")
        host.wait_for(Neighbour("u0"))


def test_what_the_host_sends_is_no_neighbour(make_host):
    """A guest's frame that leaves by the uplink is not heard, the switch's that comes after it is."""
    host = make_host("u0")
    host.cable("u0")
    host.start()

    with Wire(host.name, "u0") as wire:
        wire.send(announcement(LEAF2, "Ethernet66"))
    host.say("u0", LEAF1, "Ethernet7")

    host.wait_for(Neighbour("u0", LEAF1, "Ethernet7"))


def test_a_bridge_does_not_take_the_frames_away(make_host):
    """An uplink that a bridge has taken, as both agents' uplinks are, is heard all the same."""
    host = make_host("u0")
    host.cable("u0")
    host.ip("link", "add", "br0", "type", "bridge")
    host.ip("link", "set", "u0", "master", "br0")
    host.ip("link", "set", "br0", "up")
    host.start()

    host.say_until("u0", LEAF1, "Ethernet7", Neighbour("u0", LEAF1, "Ethernet7"))


def test_a_flood_of_neighbours_fills_no_memory(make_host):
    """Of a hundred neighbours on one cable, as only a hub or an attacker has, a few are known."""
    host = make_host("u0")
    host.cable("u0")
    host.start()

    with Wire(host.switch, "u0") as wire:
        for number in range(100):
            wire.send(announcement(f"00:1c:73:00:01:{number:02x}", "Ethernet1"))

    wait_until(lambda: len(host.told[-1]) == MOST_NEIGHBOURS, what=lambda: f"16 neighbours: {host.told[-1]}")


def test_garbage_is_not_told(make_host):
    """A frame that breaks the rules changes nothing, and the next good one is heard."""
    host = make_host("u0")
    host.cable("u0")
    host.start()

    with Wire(host.switch, "u0") as wire:
        wire.send(announcement(LEAF2, "Ethernet66")[:20].ljust(60, b"\xff"))
    host.say("u0", LEAF1, "Ethernet7")

    host.wait_for(Neighbour("u0", LEAF1, "Ethernet7"))
