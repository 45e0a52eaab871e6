"""Commands on a core that runs, with a driver in a process of its own whose fabric is a file."""

import asyncio
import contextlib
import json
import logging
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from jackfield_core import config
from jackfield_core.app import Application
from jackfield_core.cli import asking, cli
from jackfield_core.db.driver_audit import DriverAudit
from jackfield_core.db.engine import Database
from jackfield_core.db.unit_of_work import Tables
from jackfield_sdk.examples.loopback.hands import Hands
from support.postgres import PostgresServer
from support.reaper import owned
from support.waiting import wait_until
from typer.testing import CliRunner

DEADLINE = 30.0
"""Seconds until a test gives up waiting."""


class Core:
    """A whole core in a thread of its own, without its socket."""

    def __init__(self, settings: config.Settings) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="core")
        self._thread.start()
        self.application = self.do(self._made(settings))

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Return what *work* returns in the core's thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE)

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request to the API, which has to succeed; return what is in the answer's envelope."""
        return self.do(self._request(method, path, body))

    def stop(self) -> None:
        """Stop the core and its thread."""
        self.do(self.application.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _made(self, settings: config.Settings) -> Application:
        application = Application(settings)
        await application.start()
        await application.drivers_ready(DEADLINE)
        return application

    async def _request(self, method: str, path: str, body: Any) -> Any:
        transport = httpx.ASGITransport(self.application.api)
        async with httpx.AsyncClient(transport=transport, base_url="http://core/v2.0") as http:
            answer = (await http.request(method, path, json=body)).raise_for_status()
        return next(iter(answer.json().values())) if answer.content else None


class Site:
    """A core, its settings in a file, and the driver "fabric"."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.database_url = database_url
        self.config_file = self._written("jackfield.toml", "fabric")
        self.hands = Hands(folder / "fabric.db")
        self._driver: subprocess.Popen[bytes] | None = None
        self.start_driver()
        self.core = Core(config.load(self.config_file))

    def start_driver(self) -> None:
        """Start the driver's process."""
        socket = self.folder / "fabric.sock"
        socket.unlink(missing_ok=True)
        self._driver = subprocess.Popen(
            [
                *(sys.executable, "-m", "jackfield_sdk.examples.loopback", "--name", "fabric"),
                *("--listen", f"unix://{socket}", "--state-file", str(self.folder / "fabric.db")),
                *("--script", str(self.folder / "orders.json")),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(socket.exists, what="the socket of the driver", timeout=DEADLINE)

    def stop_driver(self) -> None:
        """End the driver's process."""
        if self._driver is not None:
            self._driver.terminate()
            self._driver.wait(DEADLINE)
            self._driver = None

    def order(self, **orders: Any) -> None:
        """Tell the driver what to do wrong; nothing if nothing is said."""
        new = self.folder / "orders.new"
        new.write_text(json.dumps(orders))
        new.rename(self.folder / "orders.json")

    def without_driver(self) -> Path:
        """Return settings that do not name the driver any more."""
        return self._written("without.toml")

    def network(self, ports: int = 0) -> tuple[str, list[str]]:
        """Create a network with *ports* that the driver has bound; return its id and theirs once nothing is owed."""
        network = self.core.request("POST", "/networks", {"network": {}})["id"]
        body = {"port": {"network_id": network, "binding:host_id": "host-1"}}
        made = [self.core.request("POST", "/ports", body)["id"] for _ in range(ports)]
        self.settled()
        self.audited()
        return network, made

    def settled(self) -> None:
        """Return when nothing is owed."""
        self.core.do(self.core.application.settled(DEADLINE))

    def audited(self) -> None:
        """Return when no audit goes on or is asked for: one that did would see half of what a test does by hand."""

        async def find() -> DriverAudit | None:
            async with self.core.application.database.reading() as connection:
                return await Tables(connection).audits.find("fabric")

        def is_over() -> bool:
            audit = self.core.do(find())
            return audit is not None and audit.finished_at and not (audit.requested_at or audit.leased_until)

        wait_until(is_over, what="the end of audits", timeout=2 * DEADLINE)

    def run(self, *arguments: str, config_file: Path | None = None) -> tuple[int, str]:
        """Run a command; return its status and all that it printed."""
        result = CliRunner().invoke(cli, [*arguments, "--config", str(config_file or self.config_file)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    def json(self, *arguments: str) -> Any:
        """Run a command that prints JSON; return that."""
        _, output = self.run(*arguments, "--json")
        return json.loads(output)

    def read(self, question: Any) -> Any:
        """Return what *question* returns of the tables."""

        async def ask() -> Any:
            database = Database(config.Database(url=self.database_url))
            try:
                async with database.writing() as connection:
                    return await question(Tables(connection))
            finally:
                await database.close()

        return asyncio.run(ask())

    def stop(self) -> None:
        """Stop everything."""
        self.core.stop()
        self.stop_driver()

    def _written(self, name: str, *drivers: str) -> Path:
        path = self.folder / name
        path.write_text(
            f'[database]\nurl = "{self.database_url}"\n[nodes]\nlisten = "unix://{self.folder}/n.sock"\n'
            # On a busy machine no driver is at fault.
            "[mechanism]\nhandshake_timeout = 30\nprecommit_budget = 30\nbind_timeout = 30\nbind_budget = 60\n"
            "[dispatcher]\nbackoff_first = 60.0\n"
            + "".join(
                f'[[drivers]]\nname = "{name}"\npolicy = "advisory"\nendpoint = "unix://{self.folder}/{name}.sock"\n'
                for name in drivers
            )
        )
        return path


@pytest.fixture(scope="module")
def quiet_core() -> Iterator[None]:
    """Keep what the core logs out of what commands print."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, quiet_core: None) -> Iterator[Site]:
    """Run a core and a driver for all tests of a file, once on each database."""
    with contextlib.ExitStack() as stack:
        # The path of a Unix socket has room for 107 bytes.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=owned("cli"))))
        if request.param == "sqlite":
            shutil.copy(request.getfixturevalue("sqlite_template"), folder / "core.sqlite")
            url = f"sqlite:///{folder}/core.sqlite"
        else:
            server: PostgresServer = request.getfixturevalue("postgres")
            database = server.create_database(template=request.getfixturevalue("postgres_template"))
            stack.callback(server.drop_database, database)
            url = database.url
        site = Site(folder, url)
        stack.callback(site.stop)
        yield site


@pytest.fixture(autouse=True)
def logs_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep commands that run in this process from changing how it logs."""
    monkeypatch.setattr(asking.logging, "configure", lambda _settings: None)
