"""The database is lost, and an older copy of it is put back while the devices have gone on.

What the copy says is the truth from then on: devices follow it, although they hold
higher revisions than the copy knows of.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from jackfield_sdk.examples.loopback.rows import rows_in
from support import ledger
from support.cloud import Cloud
from support.waiting import wait_until

PORTS = 8


class Site:
    """A core with its database in one file, which can be copied and put back."""

    def __init__(self, cloud: Cloud, file: Path) -> None:
        self.cloud = cloud
        self.url = f"sqlite:///{file}"
        self._file = file
        self._copy = file.with_suffix(".copy")
        self.api = httpx.Client(base_url=f"{cloud.url}/v2.0", timeout=60)

    def back_up(self) -> None:
        """Copy the database while it is in use."""
        with closing(sqlite3.connect(self._file)) as source, closing(sqlite3.connect(self._copy)) as target:
            source.backup(target)

    def restore(self) -> None:
        """Put the copy in the place of the database."""
        self.cloud.core.stop()
        for leftover in ("-wal", "-shm"):
            self._file.with_name(self._file.name + leftover).unlink(missing_ok=True)
        self._copy.replace(self._file)
        self.cloud.core.start()

    def create(self, kind: str, **values: Any) -> str:
        """Create a resource; return its id."""
        answer = self.api.post(f"/{kind}s", json={kind: values})
        answer.raise_for_status()
        return str(answer.json()[kind]["id"])

    def rename(self, kind: str, id: str, name: str) -> None:
        """Rename a resource."""
        self.api.put(f"/{kind}s/{id}", json={kind: {"name": name}}).raise_for_status()

    def until_delivered(self) -> None:
        """Wait until nothing is owed."""
        wait_until(lambda: ledger.owed(self.url) == 0, what="everything to be delivered", timeout=120)

    def until_audited(self) -> None:
        """Wait for the first audit, so that none is due by itself for ten minutes."""
        audits = "SELECT outcome FROM driver_audit"
        wait_until(lambda: ledger.rows(self.url, audits) == [("complete",)], what="the first audit", timeout=120)

    def names(self) -> dict[str, str]:
        """Return the name of each network and port in the database, by id."""
        return {
            id: name
            for kind in ("network", "port")
            for id, name in ledger.rows(self.url, f"SELECT id, name FROM {kind}")
        }

    def device_names(self) -> dict[str, str]:
        """Return the name of each network and port on the device, by id, read from its file."""
        held = rows_in(self.cloud.folder / "fabric.db")
        return {row.id: json.loads(row.value or "")["name"] for row in held if row.kind != "subnet"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Give a core on SQLite, whose driver keeps its device in a file."""
    file = tmp_path / "jackfield.sqlite"
    with Cloud(f"sqlite:///{file}", policy="advisory") as cloud:
        site = Site(cloud, file)
        with site.api:
            yield site


@pytest.mark.timeout(600)
def test_devices_follow_a_database_that_was_restored_from_an_older_copy(site: Site) -> None:
    """What was changed since the copy is as before again, what was made is gone, what was deleted is back."""
    network = site.create("network", name="old")
    site.create("subnet", network_id=network, cidr="192.0.2.0/24", ip_version=4)
    ports = [site.create("port", network_id=network, name="old") for _ in range(PORTS)]
    site.until_delivered()
    site.until_audited()
    site.back_up()
    for name in ("newer", "newest"):
        site.rename("network", network, name)
        for port in ports[:4]:
            site.rename("port", port, name)
    site.api.delete(f"/ports/{ports[-1]}").raise_for_status()
    made = site.create("port", network_id=site.create("network"), name="made since")
    site.until_delivered()
    assert site.device_names()[made] == "made since"

    site.restore()
    # The next revision of this port is lower than the one that the device holds.
    site.rename("port", ports[0], "restored")
    site.until_delivered()
    assert site.device_names()[ports[0]] == "restored"
    report = json.loads(site.cloud.command("driver", "resync", "fabric", "--yes", "--json"))
    site.until_delivered()

    assert (report["audit"]["missing"], report["audit"]["orphans"]) == (1, 2)
    assert site.names() == {network: "old", **dict.fromkeys(ports, "old"), ports[0]: "restored"}
    assert site.device_names() == site.names()
    assert ledger.problems(site.url, {"fabric": site.cloud.fabric("fabric")}) == []
    output = site.cloud.core.output()
    assert "delivery.device_ahead" in output
    assert "driver.garbage" not in output
    assert "driver.quarantined" not in output
    again = json.loads(site.cloud.command("driver", "diff", "fabric", "--json"))
    assert again["differences"] == []
