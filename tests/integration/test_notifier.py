"""A compute service that was away hears of its server's port all the same, whatever happened to the core meanwhile."""

import contextlib
import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from support.cloud import Cloud
from support.ports import free_port
from support.waiting import wait_until

TOKEN = "open-sesame"


class Nova(ThreadingHTTPServer):
    """Accepts every event that comes with the token."""

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Request)
        self.events: list[tuple[str, str, str]] = []


class _Request(BaseHTTPRequestHandler):
    server: Nova

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        is_known = self.headers["X-Auth-Token"] == TOKEN
        answers = [{**event, "code": 200} for event in body["events"]]
        if is_known:
            self.server.events += [(one["name"], one["server_uuid"], one["tag"]) for one in answers]
        content = json.dumps({"events": answers} if is_known else {}).encode()
        self.send_response(200 if is_known else 401)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextlib.contextmanager
def compute_service(port: int) -> Iterator[Nova]:
    """Run a compute service."""
    with Nova(port) as nova:
        thread = threading.Thread(target=nova.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield nova
        finally:
            nova.shutdown()
            thread.join()


def test_compute_service_that_was_away_is_told(postgres_database: Any, tmp_path: Path) -> None:
    """A port turns ACTIVE while nobody can be told; a core that was killed since tells it, once, and its end too."""
    port, token = free_port(), tmp_path / "token"
    token.write_text(TOKEN)
    settings = (
        "[dispatcher]\nbackoff_max = 1.0\n"
        f'[[notifiers]]\nname = "nova"\nurl = "http://127.0.0.1:{port}/v2.1"\ntoken_file = "{token}"\n'
        # Whoever has an answer too late tells it once more.
        "timeout = 60.0\n"
    )
    roles = (["api", "nodes"], ["dispatcher"])
    with (
        Cloud(postgres_database.url, roles=roles, settings=settings, options=["--no-wired"]) as cloud,
        httpx.Client(base_url=f"{cloud.url}/v2.0", timeout=60) as api,
    ):
        server = str(uuid.uuid4())
        network = api.post("/networks", json={"network": {}}).json()["network"]["id"]
        body = {"network_id": network, "binding:host_id": "host-1", "device_owner": "compute:az", "device_id": server}
        id = api.post("/ports", json={"port": body}).json()["port"]["id"]
        wait_until(lambda: api.get(f"/ports/{id}").json()["port"]["status"] == "ACTIVE", what="an ACTIVE port")
        wait_until(lambda: _states(api) == ["retrying"], what="the debt to be shown as late")
        assert [driver["name"] for driver in api.get("/drivers").json()["drivers"]] == ["fabric"]
        (debt,) = json.loads(cloud.command("delivery", "list", "--driver", "nova", "--json"))
        assert (debt["driver"], debt["reason"]) == ("nova", "unreachable")
        # A database that takes its time is not waited for, and then there are no such numbers.
        wait_until(lambda: 'jackfield_delivery_owed{driver="nova"} 1.0' in _numbers(cloud), what="the debt in numbers")

        cloud.cores[1].kill()
        cloud.cores[1].start()
        with compute_service(port) as nova:
            wait_until(lambda: _states(api) == ["in_sync"], what="the compute service to be told", timeout=60)
            assert nova.events == [("network-vif-plugged", server, id)]

            assert api.delete(f"/ports/{id}").status_code == 204
            wait_until(lambda: _states(api) == [], what="the end of the port to be told", timeout=60)
            assert nova.events[1:] == [("network-vif-deleted", server, id)]
        logs = "".join(path.read_text() for path in cloud.folder.glob("*.log"))
        assert "notifier.no_answer" in logs
        assert TOKEN not in logs


def _numbers(cloud: Cloud) -> str:
    return httpx.get(f"{cloud.url}/metrics", timeout=60).text


def _states(api: httpx.Client) -> list[str]:
    """Return the states of what the notifier owes or has told."""
    answer = api.get("/deliveries", params={"driver": "nova"})
    assert answer.status_code == 200, answer.text
    return [delivery["state"] for delivery in answer.json()["deliveries"]]
