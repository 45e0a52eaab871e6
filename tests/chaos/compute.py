"""A compute service that is told what becomes of the ports of its servers, and writes down every event.

It takes one request after the other, so that its file has the order in which it was told, whoever
gave up waiting meanwhile. A file with orders lets it turn everybody away, or take what it is told
and say nothing.
"""

import argparse
import json
import sqlite3
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

_TABLE = """
CREATE TABLE IF NOT EXISTS told (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, server TEXT NOT NULL, tag TEXT NOT NULL
)
"""


class Compute(HTTPServer):
    """Listens on a port of this machine; *script* holds orders while it exists."""

    request_queue_size = 64

    def __init__(self, port: int, path: Path, script: Path) -> None:
        super().__init__(("127.0.0.1", port), _Request)
        self._script = script
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(_TABLE)

    @property
    def orders(self) -> frozenset[str]:
        """What it was told to do wrong."""
        try:
            return frozenset(json.loads(self._script.read_bytes()))
        except FileNotFoundError:
            return frozenset()

    def note(self, events: list[dict[str, Any]]) -> None:
        """Write events down, all or none."""
        rows = [(event["name"], event["server_uuid"], event["tag"]) for event in events]
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO told (name, server, tag) VALUES (?, ?, ?)", rows)
        self._database.execute("COMMIT")


class _Request(BaseHTTPRequestHandler):
    timeout = 2.0
    server: Compute

    def do_GET(self) -> None:
        """Say that it serves."""
        self._answer(200, {})

    def do_POST(self) -> None:
        """Take events, unless told otherwise."""
        orders = self.server.orders
        events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["events"]
        if "turn away" in orders:
            self._answer(503, {})
            return
        self.server.note(events)
        if "say nothing" not in orders:
            self._answer(200, {"events": [{**event, "code": 200} for event in events]})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle(self) -> None:
        """Go on with the next one, whoever went away."""
        try:
            super().handle()
        except OSError as error:
            self.log_error("gone: %s", error)


def main() -> None:
    """Run the compute service."""
    parser = argparse.ArgumentParser(prog="python -m chaos.compute", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="TCP port to listen on")
    parser.add_argument("--file", type=Path, required=True, help="SQLite file that gets the events")
    parser.add_argument("--script", type=Path, required=True, help="file with orders")
    arguments = parser.parse_args()
    Compute(arguments.port, arguments.file, arguments.script).serve_forever()


if __name__ == "__main__":
    main()
