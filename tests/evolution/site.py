"""A core process with one driver, and what its database holds in the end."""

import asyncio
import json
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from support.ports import free_port
from support.processes import Process, answers
from support.reaper import owned

# A busy machine is no reason for another end of the story, so calls may take their time.
CONFIG = """
[api]
listen = "127.0.0.1:{port}"
[database]
url = "sqlite:///{folder}/jackfield.sqlite"
[nodes]
listen = "unix://{folder}/nodes.sock"
[mechanism]
precommit_budget = 20.0
bind_timeout = 20.0
bind_budget = 60.0
handshake_timeout = 20.0
[segments.vlan]
ranges = ["leaf1:1:4000"]
[[drivers]]
name = "{driver}"
endpoint = "unix://{socket}"
policy = "required"
"""
CORE = (f"{Path(sys.executable).parent}/jackfield",)


class Site:
    """One core and its database; the driver is somebody else's affair."""

    def __init__(
        self, driver: str, socket: Path, *, command: Sequence[str] = CORE, environment: Mapping[str, str] | None = None
    ) -> None:
        """Describe a core that speaks to the driver of this name at *socket*; nothing runs yet."""
        # A short path: the name of a Unix socket has room for 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix=owned("evo"), dir="/tmp"))
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        config = self.folder / "core.toml"
        config.write_text(CONFIG.format(port=port, folder=self.folder, driver=driver, socket=socket))
        self._process = Process(
            "core",
            [*command, "serve", "--migrate", "--config", config],
            log=self.folder / "core.log",
            ready=answers(f"{self.url}/readyz?drivers=all"),
            environment=environment,
        )

    @property
    def nodes(self) -> str:
        """Where agents dial."""
        return f"unix://{self.folder}/nodes.sock"

    async def __aenter__(self) -> Self:
        try:
            # In a thread: the driver may be served by the loop that waits here.
            await asyncio.to_thread(self._process.start)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._process.stop)
        shutil.rmtree(self.folder, ignore_errors=True)

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """Run a query on the core's database."""
        database = sqlite3.connect(f"file:{self.folder}/jackfield.sqlite?mode=ro", uri=True)
        database.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in database.execute(statement)]
        finally:
            database.close()

    def log(self) -> str:
        """Return what the core has written."""
        return self._process.output()

    def end(self, names: Mapping[str, str]) -> dict[str, Any]:
        """Return what the database holds in the end, under the story's *names* of the resources."""
        return {
            "ledger": {
                f"{names[row['resource_id']]} at {row['driver']}": _ledger(row)
                for row in self.rows("SELECT * FROM delivery ORDER BY kind, resource_id")
            },
            "attributes": {
                f"{names[row['resource_id']]} {row['name']}": row["value"].decode()
                for row in self.rows("SELECT * FROM vendor_attribute ORDER BY resource_id, name")
            },
            "bindings": {
                names[row["port_id"]]: {"vif_type": row["vif_type"], "vif_details": json.loads(row["vif_details"])}
                for row in self.rows("SELECT port_id, vif_type, vif_details FROM port_binding")
            },
            "revisions": {
                names[row["id"]]: row["revision_number"]
                for kind in ("network", "subnet", "port")
                for row in self.rows(f"SELECT id, revision_number FROM {kind}")
            },
        }


def _ledger(row: dict[str, Any]) -> dict[str, Any]:
    state = row["state"].decode() if row["state"] is not None else None
    return {"acknowledged": row["acknowledged_revision"], "state_version": row["state_version"], "state": state}
