"""A core with its database and its drivers, as processes on this machine."""

import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.ports import free_port
from support.postgres import PostgresServer
from support.processes import Process, accepts, answers
from support.reaper import owned

BIN = Path(sys.executable).parent
_PATIENCE = 600.0
"""Seconds until a core must be ready: with every driver it first writes down all that this one is owed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fabric:
    """A loopback driver, and what it takes part in."""

    name: str
    bind: bool = False
    precommit: bool = True
    postcommit: bool = True

    @property
    def options(self) -> list[str]:
        """Return what its command is told."""
        given = {"bind": self.bind, "precommit": self.precommit, "postcommit": self.postcommit}
        return ["--name", self.name, *(f"--{name}" if value else f"--no-{name}" for name, value in given.items())]


def fabrics(count: int) -> list[Fabric]:
    """Return drivers that take part in everything; only the first one binds."""
    return [Fabric(name=f"fabric-{number}", bind=number == 0) for number in range(count)]


class Stack:
    """One core process, loopback drivers, and a database of its own.

    *batch* bounds the changes in one call; *fill* writes into the database, whose URL
    it gets, before the core starts; *settings* are more of the core's, as TOML.
    """

    def __init__(
        self,
        drivers: Sequence[Fabric],
        database: str,
        *,
        batch: int | None = None,
        fill: Callable[[str], Awaitable[None]] | None = None,
        settings: str = "",
    ) -> None:
        self._fabrics = drivers
        self._database = database
        self._batch = batch
        self._fill = fill
        self._more = settings
        self._postgres: PostgresServer | None = None
        self._processes: list[Process] = []

    async def __aenter__(self) -> "Stack":
        self.folder = Path(tempfile.mkdtemp(prefix=owned("bench")))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = self._start_database()
        self.config = self.folder / "jackfield.toml"
        self.config.write_text(self._settings())
        try:
            if self._fill:
                await self._fill(self.database_url)
            self._start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.stop()
        if self._postgres:
            self._postgres.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def core(self) -> Process:
        """The process of the core."""
        return self._processes[-1]

    @property
    def core_pid(self) -> int:
        """Process id of the core."""
        return self.core.pid

    def driver(self, name: str) -> Process:
        """Return the process of a driver, to stop it and start it again."""
        return next(process for process in self._processes if process.name == name)

    @property
    def nodes(self) -> str:
        """Address that node agents dial."""
        return f"unix://{self.folder}/nodes.sock"

    def endpoint(self, name: str) -> str:
        """Return the address of a driver."""
        return f"unix://{self.folder}/{name}.sock"

    def _start_database(self) -> str:
        if self._database == "sqlite":
            return f"sqlite:///{self.folder}/bench.sqlite"
        self._postgres = PostgresServer()
        self._postgres.start()
        return self._postgres.create_database().url

    def _settings(self) -> str:
        drivers = "".join(
            f'[[drivers]]\nname = "{fabric.name}"\nendpoint = "{self.endpoint(fabric.name)}"\n'
            for fabric in self._fabrics
        )
        # What is slow because the machine is busy is no error of the bench.
        limits = "[mechanism]\nprecommit_budget = 5.0\n"
        if self._batch:
            limits += f"[dispatcher]\nbatch = {self._batch}\n"
        return (
            f'[api]\nlisten = "127.0.0.1:{self.port}"\n[database]\nurl = "{self.database_url}"\n'
            f'[nodes]\nlisten = "{self.nodes}"\n[logging]\nlevel = "WARNING"\n{limits}{self._more}{drivers}'
        )

    def _start(self) -> None:
        for fabric in self._fabrics:
            name = fabric.name
            listen = ["--listen", self.endpoint(name), "--vif-type", "ovs"]
            command: list[str | Path] = [BIN / "jackfield-loopback", *listen, *fabric.options]
            socket_path = self.folder / f"{name}.sock"
            self._launch(Process(name, command, log=self.folder / f"{name}.log", ready=accepts(socket_path)))
        core: list[str | Path] = [BIN / "jackfield", "serve", "--migrate", "--config", self.config]
        log = self.folder / "core.log"
        self._launch(Process("core", core, log=log, ready=answers(f"{self.url}/readyz?drivers=all"), timeout=_PATIENCE))

    def _launch(self, process: Process) -> None:
        self._processes.append(process.start())
