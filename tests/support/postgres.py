"""A throw-away PostgreSQL for tests: a folder, a Unix socket, no durability, gone afterwards.

One server per test session starts in about a second (`postgres`). Each test takes a database of
its own from it (`postgres_database`), or clones one that was migrated once, which PostgreSQL
does as a copy of files in some 40 ms:

    migrated = postgres.create_database()       # once: run the migrations on migrated.url
    fresh = postgres.create_database(template=migrated)

PostgreSQL refuses to run as root, so root hands the folder to the system's ``postgres`` user and
starts the server under that account. What a killed session leaves is removed (`support.reaper`).

Load with ``pytest_plugins = ["support.postgres"]``; without PostgreSQL the tests are skipped.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from support.reaper import ROOT, owned
from support.waiting import wait_until

USER = "test"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
# What a crash would cost does not matter here; what a commit costs does.
OPTIONS = [
    "listen_addresses=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    # Plans and times depend on nobody who cleans up behind the scenes.
    "autovacuum=off",
    "shared_buffers=64MB",
    "max_connections=200",
]


@dataclass(frozen=True, slots=True)
class Database:
    """One database of the server."""

    name: str
    url: str
    """``postgresql://user@/name?host=/folder``: libpq's form for a Unix socket, without a driver suffix."""


class PostgresServer:
    """A server in a folder of its own, reached through a Unix socket only.

    With *keeps_commits* a commit survives :meth:`crash`, as it does in production; it costs a write to the
    file cache, not to the disk.
    """

    def __init__(self, *, keeps_commits: bool = False) -> None:
        self._options = [*OPTIONS, "synchronous_commit=on"] if keeps_commits else OPTIONS
        # A short path: the name of a Unix socket has room for 107 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix=owned("pg"), dir=ROOT))
        self._account = _unprivileged_account()
        # By a program, because Python would fork, and gRPC's threads do not survive that.
        uid, gid = self._account or (0, 0)
        self._as = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"] if self._account else []
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make a cluster and start the server; return when it takes connections.

        Raises:
            subprocess.CalledProcessError: ``initdb`` failed.
            TimeoutError: The server did not answer; the message holds its log.

        """
        if self._account:
            os.chown(self.directory, *self._account)
        self._initialise()
        self.resume()

    def crash(self) -> None:
        """End the server at once ("immediate" shutdown): every session is cut, and the next start has to recover."""
        if self._server is not None:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait()
            self._server = None

    def resume(self) -> None:
        """Start the server on the folder that it has; return when it takes connections.

        Raises:
            TimeoutError: The server did not answer; the message holds its log.

        """
        self._server = self._launch()
        wait_until(self._accepts, what=lambda: f"PostgreSQL\n{self._log.read_text()}", timeout=90)

    def stop(self) -> None:
        """End the server and remove its folder."""
        if self._server is not None:
            # SIGINT is PostgreSQL's "fast" shutdown: sessions are ended, not waited for.
            self._server.send_signal(signal.SIGINT)
            try:
                self._server.wait(10)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def create_database(self, *, template: Database | None = None) -> Database:
        """Create a database, empty or as a copy of *template*, which nobody may be connected to."""
        name = f"test_{uuid4().hex[:12]}"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template.name if template else "template0"}"')
        return Database(name, f"postgresql://{USER}@/{name}?host={self.directory}")

    def drop_database(self, database: Database) -> None:
        """Remove *database* and end the sessions on it."""
        self._execute(f'DROP DATABASE IF EXISTS "{database.name}" WITH (FORCE)')

    @property
    def _log(self) -> Path:
        return self.directory / "log"

    def _initialise(self) -> None:
        subprocess.run(
            [*self._as, _program("initdb"), "-D", self.directory / "data", "-U", USER, "-A", "trust", "-E", "UTF8",
             "--no-sync", "--locale=C.UTF-8"],
            check=True, capture_output=True, text=True, env=ENVIRONMENT, cwd=self.directory,
        )  # fmt: skip

    def _launch(self) -> subprocess.Popen[bytes]:
        options = [part for option in self._options for part in ("-c", option)]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [*self._as, _program("postgres"), "-D", self.directory / "data", "-k", self.directory, *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=ENVIRONMENT, cwd=self.directory,
                start_new_session=True,
            )  # fmt: skip

    def _accepts(self) -> bool:
        if self._server is not None and self._server.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended with status {self._server.returncode}\n{self._log.read_text()}")
        try:
            self._execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _execute(self, statement: str) -> None:
        # CREATE DATABASE cannot run inside a transaction.
        with psycopg.connect(host=str(self.directory), user=USER, dbname="postgres", autocommit=True) as connection:
            connection.execute(statement.encode())


def _program(name: str) -> Path:
    """Find a server program; Debian keeps them off the PATH, one folder per major version."""
    candidates = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which(name)
    if candidates:
        return candidates[-1]
    if on_path:
        return Path(on_path)
    raise FileNotFoundError(f"{name} is not installed (Debian package postgresql)")


def _unprivileged_account() -> tuple[int, int] | None:
    """Return the ids of the user and the group to run as instead of root."""
    if os.geteuid() != 0:
        return None
    account = pwd.getpwnam("postgres")
    return account.pw_uid, account.pw_gid


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Start a PostgreSQL server for the whole session."""
    try:
        _program("postgres")
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def postgres_database(postgres: PostgresServer) -> Iterator[Database]:
    """Give an empty database to one test."""
    database = postgres.create_database()
    yield database
    postgres.drop_database(database)
