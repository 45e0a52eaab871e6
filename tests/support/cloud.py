"""A core with its database and loopback drivers, as processes that tests can kill.

    with Cloud(tmp_path, database_url, drivers=["fabric"]) as cloud:
        cloud.core.kill()
        cloud.core.start()

Every driver keeps its fabric in a state file, so that it survives its own end
and a test can read what the devices hold without asking anybody.
"""

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from jackfield_sdk.examples.loopback import revisions_in

from support.ports import free_port
from support.processes import Process, accepts, answers
from support.reaper import owned

BIN = Path(sys.executable).parent
PATIENCE = """
[mechanism]
# A machine that runs all tests at once is slow, and no driver is at fault.
precommit_budget = 10
bind_timeout = 10
bind_budget = 20
handshake_timeout = 20
"""
HURRIED = "[mechanism]\n"
"""Settings for tests of the deadlines that the core has by default."""


class Cloud:
    """Core processes on one database, and the drivers that they share."""

    def __init__(
        self,
        database_url: str,
        *,
        drivers: Sequence[str] = ("fabric",),
        cores: int = 1,
        roles: Sequence[Sequence[str]] = (),
        policy: str = "required",
        options: Sequence[str] = (),
        keep_state: bool = True,
        spare: bool = False,
        settings: str = "",
    ) -> None:
        """Describe the cloud; nothing runs yet.

        Args:
            database_url: Where the cores keep their state.
            drivers: Names of loopback drivers; the first one binds ports.
            cores: Number of core processes.
            roles: Instead of `cores`, what each core process does, such as ``["api"], ["dispatcher"]``.
            policy: ``required`` or ``advisory``, for all drivers.
            options: Further options of every loopback driver.
            keep_state: Whether drivers write their state files, which costs them a little for every change.
            spare: Whether each driver has a second endpoint, where :meth:`release` starts its next version.
            settings: Further TOML for the cores; without a section on mechanisms, they are patient with drivers.

        """
        # A short path: the name of a Unix socket has room for 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix=owned("cloud"), dir="/tmp"))
        self._stack = contextlib.ExitStack()
        self._options = {
            name: ("--bind" if number == 0 else "--no-bind", *(self._state(name) if keep_state else ()), *options)
            for number, name in enumerate(drivers)
        }
        self.drivers = {name: self._driver(name, self._endpoint(name)) for name in drivers}
        listed = "".join(self._listed(name, policy, spare) for name in drivers)
        if "[mechanism]" not in settings:
            settings += PATIENCE
        self._roles = roles or [()] * cores
        ports = [free_port() for _ in self._roles]
        self.urls = [f"http://127.0.0.1:{port}" for port in ports]
        settings += f"\n{listed}"
        self.configs = [self._config(number, port, database_url, settings) for number, port in enumerate(ports)]
        self.cores = [self._core(number, config) for number, config in enumerate(self.configs)]

    @property
    def url(self) -> str:
        """Root of the first core's API."""
        return self.urls[0]

    @property
    def core(self) -> Process:
        """The first core process."""
        return self.cores[0]

    def fabric(self, name: str) -> dict[str, dict[str, int]]:
        """Return what a driver's fabric holds: kind to id to revision."""
        return revisions_in(self.folder / f"{name}.db")

    def release(self, name: str, *options: str, at_spare: bool) -> Process:
        """Start another release of a driver at its second endpoint, or at its first one again."""
        process = self._driver(name, self._endpoint(name, spare=at_spare), *options)
        self._stack.callback(process.stop)
        return process.start()

    def command(self, *arguments: str) -> str:
        """Run ``jackfield`` with the first core's settings; return what it prints."""
        command = [str(BIN / "jackfield"), *arguments, "--config", str(self.configs[0])]
        result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
        return result.stdout

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            for process in (*self.drivers.values(), *self.cores):
                stack.callback(process.stop)
                process.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _state(self, name: str) -> tuple[str, str]:
        return "--state-file", str(self.folder / f"{name}.db")

    def _endpoint(self, name: str, *, spare: bool = False) -> Path:
        return self.folder / (f"{name}-spare.sock" if spare else f"{name}.sock")

    def _listed(self, name: str, policy: str, spare: bool) -> str:
        paths = [self._endpoint(name), *([self._endpoint(name, spare=True)] if spare else [])]
        endpoints = ", ".join(f'"unix://{path}"' for path in paths)
        return f'[[drivers]]\nname = "{name}"\nendpoints = [{endpoints}]\npolicy = "{policy}"\n'

    def _driver(self, name: str, endpoint: Path, *options: str) -> Process:
        command = [
            BIN / "jackfield-loopback", "--name", name, "--listen", f"unix://{endpoint}",
            *self._options[name], *options,
        ]  # fmt: skip
        return Process(name, command, log=self.folder / f"{endpoint.stem}.log", ready=accepts(endpoint))

    def _config(self, number: int, port: int, database_url: str, settings: str) -> Path:
        config = self.folder / f"core-{number}.toml"
        config.write_text(
            f'[api]\nlisten = "127.0.0.1:{port}"\n[database]\nurl = "{database_url}"\n'
            f'[nodes]\nlisten = "unix://{self.folder}/nodes-{number}.sock"\n{settings}'
        )
        return config

    def _core(self, number: int, config: Path) -> Process:
        roles = [option for role in self._roles[number] for option in ("--role", role)]
        return Process(
            f"core-{number}",
            [BIN / "jackfield", "serve", "--migrate", "--config", config, *roles],
            log=self.folder / f"core-{number}.log",
            ready=answers(f"{self.urls[number]}/readyz?drivers=all"),
        )
