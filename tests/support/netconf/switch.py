"""A switch with a real NETCONF server: netconfd, reached through a private sshd.

    driver ── ssh ── sshd ── relay ── Unix socket ── netconfd ── startup.xml

It has candidate, running and startup configuration, locks, confirmed commits and the models of a
switch (``modules/``: of the names and namespaces of the published ones, cut down, in our words).
It forwards no frame; see `e2e.lab.top_of_rack` for one that does.
"""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from lxml import etree

from support.netconf import relay
from support.netconf.editing import BASE
from support.netconf.factory import Heard, reported
from support.netconf.framing import messages
from support.netconf.secure_shell import PROGRAM as SSHD
from support.netconf.secure_shell import SecureShell
from support.netconf.somebody import Somebody
from support.ports import reserve_port
from support.processes import Process, accepts

SERVER = Path("/usr/sbin/netconfd")
OUR_MODULES = Path(__file__).parent / "modules"
THEIR_MODULES = [
    Path("/usr/share/yuma/modules", name) for name in ("ietf", "ietf-derived", "netconfcentral", "yuma123")
]
SOCKET_PATH_BYTES = 100


def missing_requirements() -> list[str]:
    """Return what this machine lacks for a `NetconfSwitch`, in words; an empty list means that one can start."""
    wanted = {"netconfd": SERVER.exists(), "openssh-server": SSHD.exists() and bool(shutil.which("ssh-keygen"))}
    return [f"the Debian package {package}" for package, is_there in wanted.items() if not is_there]


class NetconfSwitch:
    """A switch at ``127.0.0.1``; a context manager."""

    address = "127.0.0.1"

    def __init__(
        self,
        directory: Path,
        *,
        ports: Sequence[str] = ("Ethernet1", "Ethernet2", "Ethernet3", "Port-Channel1"),
        neighbours: Mapping[str, Heard] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Describe a switch; nothing runs yet.

        Args:
            directory: Is made, with everything of the switch in it.
            ports: Names of interfaces and port-channels, as they leave the factory.
            neighbours: What is heard by LLDP, by name of the port.
            environment: Variables for every process.

        Raises:
            ValueError: The path of the folder is too long for a socket in it.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.ports = tuple(ports)
        self.neighbours = dict(neighbours or {})
        self.down: set[str] = set()
        """Ports without a link after the next reboot."""
        self._reserved = reserve_port()
        self.port: int = self._reserved.getsockname()[1]
        self._startup = directory / "startup.xml"
        self._socket = directory / "ncx.sock"
        if len(os.fsencode(self._socket)) > SOCKET_PATH_BYTES:
            raise ValueError(f'no socket fits at "{self._socket}"')
        self._said = directory / "said"
        subsystem = f"{sys.executable} -I -S {relay.__file__} {self._socket} {self.port} {self._said}"
        self._ssh = SecureShell(directory, self.port, subsystem, environment or {})
        self.user, self.key_file, self.host_key = self._ssh.user, self._ssh.user_key, self._ssh.host_key
        self.known_hosts = directory / "known_hosts"
        self.known_hosts.write_text(f"[{self.address}]:{self.port} {self.host_key}\n")
        log, ready = directory / "netconfd.log", accepts(self._socket)
        self._server = Process("netconfd", self._command(), log=log, ready=ready, timeout=60, environment=environment)

    def start(self) -> Self:
        """Start the switch with the configuration of its factory."""
        # It keeps a number of its last change there.
        (self.directory / "home" / "data").mkdir(parents=True, exist_ok=True)
        self._said.mkdir(exist_ok=True)
        self._forget()
        self.power_on()
        return self

    def stop(self) -> None:
        """Switch it off."""
        self._server.stop()
        self._ssh.stop()

    def reboot(self, *, empty: bool = False) -> None:
        """Start again from what was saved, or *empty*: as it left the factory."""
        self._server.stop()
        if empty:
            self._forget()
        self._boot()

    def pause(self) -> None:
        """Stop answering; connections stay."""
        self._server.suspend()

    def resume(self) -> None:
        """Answer again what was asked meanwhile."""
        self._server.resume()

    def power_off(self) -> None:
        """Be gone: connections break, new ones are refused; `power_on` ends it."""
        self.stop()

    def power_on(self) -> None:
        """Start with what was saved."""
        self._boot()
        self._ssh.start()

    def cut(self) -> None:
        """Break every connection; new ones are welcome."""
        self._ssh.cut()

    def running(self) -> bytes:
        """Return the running configuration."""
        with self.somebody() as operator:
            return operator.running()

    def edit(self, xml: str) -> None:
        """Change the configuration by another hand: merge the content of a ``<config>``, and commit."""
        with self.somebody() as operator:
            operator.edit(xml)

    @contextmanager
    def lock_elsewhere(self, datastore: str = "candidate") -> Iterator[str]:
        """Have somebody else hold the lock while the block runs; gives the number of their session."""
        with self.somebody() as operator, operator.lock(datastore):
            yield operator.session_id

    def somebody(self) -> Somebody:
        """Open a session of somebody else."""
        return Somebody(self.port, self.user, self.key_file)

    @property
    def payloads(self) -> list[bytes]:
        """The ``<config>`` of every edit that anybody asked for."""
        said = [message for path in sorted(self._said.iterdir()) for message in messages(path.read_bytes())]
        configs = [config for one in said for config in etree.fromstring(one.strip()).iter(f"{{{BASE}}}config")]
        return [bytes(etree.tostring(config)) for config in configs]

    def log_files(self) -> list[Path]:
        """Return the logs of both servers."""
        return sorted(self.directory.glob("*.log"))

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _boot(self) -> None:
        # It leaves its socket behind, and then refuses to start.
        self._socket.unlink(missing_ok=True)
        self._server.start()

    def _forget(self) -> None:
        self._startup.write_text(reported(self.ports, self.neighbours, self.down))

    def _command(self) -> list[str]:
        modules = [f"--module={path.stem}" for path in sorted(OUR_MODULES.glob("*.yang"))]
        return [
            str(SERVER),
            f"--startup={self._startup}",
            "--with-startup=true",
            "--target=candidate",
            "--access-control=off",
            f"--superuser={self.user}",
            f"--port={self.port}",
            f"--ncxserver-sockname={self._socket}",
            f"--yuma-home={self.directory / 'home'}",
            "--subdirs=true",
            f"--modpath={':'.join(map(str, [OUR_MODULES, *THEIR_MODULES]))}",
            "--module=iana-if-type",
            *modules,
        ]
