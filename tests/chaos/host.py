"""A node agent whose host is a file: what it was told to carry, in two tables anybody can read.

It does what an agent owes: it adopts what an earlier process left, applies, removes what it is told
to remove, reports every port, and keeps everything while the core is away.
"""

import argparse
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import msgspec
from jackfield_sdk import AgentSettings, NodeAgent, run_agent
from jackfield_sdk.reporter import Reporter
from jackfield_sdk.views import Facts, NetworkView, PortState, PortView, ViewKind

_TABLE = """
CREATE TABLE IF NOT EXISTS view (
    kind TEXT NOT NULL, id TEXT NOT NULL, version TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (kind, id)
)
"""


class Host(NodeAgent):
    """Carries views in a file."""

    agent_type = "Chaos agent"
    binary = "chaos-host"

    def __init__(self, driver: str, path: Path) -> None:
        self.driver = driver
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(_TABLE)

    async def start(self, reporter: Reporter) -> None:
        self._reporter = reporter
        for id, version, content in self._database.execute(
            "SELECT id, version, content FROM view WHERE kind = 'port'"
        ).fetchall():
            self._report(id, msgspec.json.decode(content)["admin_state_up"], version)

    def facts(self) -> Facts:
        return Facts(vif_types=("other",))

    def known(self) -> Mapping[tuple[ViewKind, str], str]:
        rows = self._database.execute("SELECT kind, id, version FROM view").fetchall()
        return {(ViewKind(kind), id): version for kind, id, version in rows}

    async def apply_network(self, view: NetworkView) -> None:
        self._write(ViewKind.NETWORK, view)

    async def apply_port(self, view: PortView) -> None:
        self._write(ViewKind.PORT, view)
        self._report(view.id, view.admin_state_up, view.version)

    async def remove_port(self, port_id: str) -> None:
        self._remove(ViewKind.PORT, port_id)

    async def remove_network(self, network_id: str) -> None:
        self._remove(ViewKind.NETWORK, network_id)

    def _write(self, kind: ViewKind, view: NetworkView | PortView) -> None:
        content = msgspec.json.encode(asdict(view)).decode()
        self._database.execute("REPLACE INTO view VALUES (?, ?, ?, ?)", (kind.value, view.id, view.version, content))

    def _remove(self, kind: ViewKind, id: str) -> None:
        self._database.execute("DELETE FROM view WHERE kind = ? AND id = ?", (kind.value, id))

    def _report(self, port_id: str, up: bool, version: str) -> None:
        self._reporter.port(port_id, PortState.UP if up else PortState.DOWN, version=version)


def main() -> None:
    """Run one host."""
    parser = argparse.ArgumentParser(prog="python -m chaos.host", description=__doc__)
    parser.add_argument("--name", required=True, help="name of the host, as ports are bound to it")
    parser.add_argument("--driver", required=True, help="mechanism driver whose ports are wired here")
    parser.add_argument("--core", required=True, help="address of the node service")
    parser.add_argument("--file", type=Path, required=True, help="SQLite file that is the host")
    arguments = parser.parse_args()
    settings = AgentSettings(core=arguments.core, host=arguments.name, reconnect_max=5.0)
    run_agent(Host(arguments.driver, arguments.file), settings)


if __name__ == "__main__":
    main()
