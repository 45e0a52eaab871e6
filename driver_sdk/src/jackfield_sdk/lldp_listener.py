"""An agent's ear on the host's cables: which switch port is at the other end of which interface.

One socket for each interface, read by the loop when a frame is there; a neighbour is known until its
time to live is over or it takes leave. When links of the host change (netlink says so), sockets are
opened for interfaces that came and closed for those that went. A bond or a team hears nothing itself,
because LLDP is about single cables: its members are listened to.

What is told is complete each time: an interface without a neighbour, or that is not there, is told
as one that hears nobody, with empty identifiers, so that the core learns of the last cable that was pulled.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import socket
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from jackfield_sdk import lldp
from jackfield_sdk.lldp_socket import LONGEST_FRAME, open_socket
from jackfield_sdk.views import Neighbour

log = structlog.get_logger("jackfield_sdk")

# A cable has one other end; a hub or a hostile wire may have many. Who comes later is not heard.
MOST_NEIGHBOURS = 16
# What one wake of the loop reads from one interface at most.
_BURST = 64
_RTMGRP_LINK = 1
# <linux/sockios.h>, <net/if.h>
_SIOCGIFFLAGS, _IFF_RUNNING = 0x8913, 0x40
_DEVICES = Path("/sys/class/net")


@dataclass(frozen=True, slots=True)
class _Known:
    until: float
    system_name: str


@dataclass(slots=True)
class _Ear:
    """A socket on an interface with its index, and by chassis and port whom it knows until when.

    `was_cut`: the link was down, so the next frame may come from another switch and ends what was known.
    """

    interface: str
    index: int
    socket: socket.socket
    known: dict[tuple[str, str], _Known] = field(default_factory=dict)
    is_running: bool = False
    was_cut: bool = False

    def look(self) -> None:
        """See whether the link works; the kernel says so up to a second after frames come."""
        was_running, self.is_running = self.is_running, _is_running(self)
        self.was_cut |= was_running and not self.is_running


class LldpListener:
    """Listens on interfaces and tells neighbours whenever they change; `run` does it until cancelled.

    `interfaces` is asked for names again whenever links of the host change, and may name some that are not
    there yet. `tell` is called on the loop. `clock` is in seconds.
    """

    def __init__(
        self,
        interfaces: Callable[[], Iterable[str]],
        tell: Callable[[Sequence[Neighbour]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what to listen to; no socket is opened before `run`."""
        self._interfaces = interfaces
        self._tell = tell
        self._clock = clock
        self._asked: Sequence[str] = ()
        self._ears: dict[str, _Ear] = {}
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stale = True
        self._deaf: dict[str, str] = {}
        self._told: Sequence[Neighbour] | None = None

    async def run(self) -> None:
        """Listen until cancelled; without the right to open raw sockets, say so once and hear nothing."""
        self._loop = loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as links:
            links.setblocking(False)
            links.bind((0, _RTMGRP_LINK))
            loop.add_reader(links, self._links_changed, links)
            try:
                await self._listen()
            finally:
                loop.remove_reader(links)
                for interface in list(self._ears):
                    self._close(interface)

    def look_again(self) -> None:
        """Ask for the interfaces again, because they changed although no link did; from any thread."""
        self._stale = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the agent is going
                self._loop.call_soon_threadsafe(self._wake.set)

    async def _listen(self) -> None:
        while True:
            self._wake.clear()
            if self._stale:
                self._stale = False
                self._settle()
            self._expire()
            self._tell_if_new()
            try:
                async with asyncio.timeout(self._next_expiry()):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def _links_changed(self, links: socket.socket) -> None:
        # What changed does not matter, and an overrun (ENOBUFS) is a change as well.
        try:
            while links.recv(65536):
                pass
        except BlockingIOError:
            pass
        except OSError as error:
            log.debug("lldp.links_overrun", reason=error.strerror)
        self.look_again()

    def _settle(self) -> None:
        """Have a socket for each interface that is there, and for no other."""
        self._asked = sorted({name for each in self._interfaces() for name in cables(each)})
        wanted = {name: index for name in self._asked if (index := _index(name))}
        for interface, ear in list(self._ears.items()):
            if wanted.get(interface) != ear.index:
                self._close(interface)
        for interface, index in wanted.items():
            if interface not in self._ears:
                self._open(interface, index)
            else:
                self._ears[interface].look()

    def _open(self, interface: str, index: int) -> None:
        try:
            ear = _Ear(interface, index, open_socket(interface))
        except OSError as error:
            self._complain(interface, error)
            return
        self._deaf.pop(interface, None)
        self._ears[interface] = ear
        ear.look()
        asyncio.get_running_loop().add_reader(ear.socket, self._hear, ear)
        log.info("lldp.listening", interface=interface)

    def _complain(self, interface: str, error: OSError) -> None:
        reason = "needs the capability NET_RAW" if error.errno == errno.EPERM else error.strerror or "unknown"
        if self._deaf.get(interface) != reason:
            self._deaf[interface] = reason
            log.warning("lldp.deaf", interface=interface, reason=reason)

    def _close(self, interface: str) -> None:
        ear = self._ears.pop(interface)
        asyncio.get_running_loop().remove_reader(ear.socket)
        ear.socket.close()

    def _hear(self, ear: _Ear) -> None:
        try:
            for _ in range(_BURST):
                self._take(ear, ear.socket.recv(LONGEST_FRAME))
        except BlockingIOError:
            pass
        except OSError as error:
            # The interface went down, which is no reason to forget its neighbour, or away, which links tell.
            log.debug("lldp.interface_failed", interface=ear.interface, reason=error.strerror)

    def _take(self, ear: _Ear, frame: bytes) -> None:
        try:
            said = lldp.parse(frame)
        except lldp.Malformed as error:
            log.debug("lldp.malformed", interface=ear.interface, reason=str(error))
            return
        if ear.was_cut:
            ear.was_cut, ear.known = False, {}
        who = said.chassis_id, said.port_id
        if said.ttl == 0:
            ear.known.pop(who, None)
        elif who in ear.known or len(ear.known) < MOST_NEIGHBOURS:
            ear.known[who] = _Known(self._clock() + said.ttl, said.system_name)
        self._wake.set()

    def _expire(self) -> None:
        now = self._clock()
        for ear in self._ears.values():
            ear.known = {who: known for who, known in ear.known.items() if known.until > now}

    def _next_expiry(self) -> float | None:
        ends = [known.until for ear in self._ears.values() for known in ear.known.values()]
        return max(0.0, min(ends) - self._clock()) if ends else None

    def _tell_if_new(self) -> None:
        heard = [neighbour for name in self._asked for neighbour in _neighbours(name, self._ears.get(name))]
        if heard != self._told:
            self._told = heard
            self._tell(heard)


def cables(interface: str) -> Sequence[str]:
    """Return the interfaces that an interface's cables end on: itself, or what is below a bond, a team or a VLAN.

    A bridge is left as it is: below it are guests as well, and a guest is no neighbour.
    """
    device = _DEVICES / interface
    below = sorted(entry.name.removeprefix("lower_") for entry in device.glob("lower_*"))
    if not below or (device / "bridge").is_dir():
        return [interface]
    return [cable for name in below for cable in cables(name)]


def _neighbours(interface: str, ear: _Ear | None) -> Sequence[Neighbour]:
    known = sorted(ear.known.items()) if ear is not None else []
    return [Neighbour(interface, *who, one.system_name) for who, one in known] or [Neighbour(interface)]


def _index(interface: str) -> int:
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        return 0


def _is_running(ear: _Ear) -> bool:
    request = struct.pack("16sH22x", ear.interface.encode(), 0)
    try:
        answer = fcntl.ioctl(ear.socket, _SIOCGIFFLAGS, request)
    except OSError:
        return False
    return bool(struct.unpack("16xH22x", answer)[0] & _IFF_RUNNING)
