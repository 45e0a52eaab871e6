"""A core with its database and its drivers, as processes on this machine."""

import shutil
import sys
import tempfile
from pathlib import Path

from support.ports import free_port
from support.postgres import PostgresServer
from support.processes import Process, accepts, answers

BIN = Path(sys.executable).parent


class Stack:
    """One core process, *drivers* loopback drivers, and a database of its own.

    Every driver takes part in precommit and postcommit; the first one binds.
    """

    def __init__(self, drivers: int, database: str) -> None:
        self._drivers = [f"fabric-{number}" for number in range(drivers)]
        self._database = database
        self._postgres: PostgresServer | None = None
        self._processes: list[Process] = []

    async def __aenter__(self) -> "Stack":
        self.folder = Path(tempfile.mkdtemp(prefix="jfbench-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = self._start_database()
        self.config = self.folder / "jackfield.toml"
        self.config.write_text(self._settings())
        try:
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
    def core_pid(self) -> int:
        """Process id of the core."""
        return self._processes[-1].pid

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
            f'[[drivers]]\nname = "{name}"\nendpoint = "{self.endpoint(name)}"\n' for name in self._drivers
        )
        return (
            f'[api]\nlisten = "127.0.0.1:{self.port}"\n[database]\nurl = "{self.database_url}"\n'
            f'[nodes]\nlisten = "unix://{self.folder}/nodes.sock"\n[logging]\nlevel = "WARNING"\n{drivers}'
        )

    def _start(self) -> None:
        for number, name in enumerate(self._drivers):
            binds = "--bind" if number == 0 else "--no-bind"
            options = ["--listen", self.endpoint(name), "--name", name, "--vif-type", "ovs", binds]
            command: list[str | Path] = [BIN / "jackfield-loopback", *options]
            socket_path = self.folder / f"{name}.sock"
            self._launch(Process(name, command, log=self.folder / f"{name}.log", ready=accepts(socket_path)))
        core: list[str | Path] = [BIN / "jackfield", "serve", "--migrate", "--config", self.config]
        log = self.folder / "core.log"
        self._launch(Process("core", core, log=log, ready=answers(f"{self.url}/readyz?drivers=all"), timeout=30))

    def _launch(self, process: Process) -> None:
        self._processes.append(process.start())
