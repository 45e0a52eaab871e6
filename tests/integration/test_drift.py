"""Somebody has changed a device by hand: the dry run names what differs, and the resync repairs that and nothing else.

The device is the loopback driver's file. Hands change it behind the driver's
back, and the file and the database are compared in the end without any code of
the core's, and without asking the driver.
"""

import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from jackfield_sdk.examples.loopback.hands import Hands
from jackfield_sdk.examples.loopback.rows import applied_in, rows_in
from support import ledger
from support.cloud import BIN, Cloud
from support.waiting import wait_until

NETWORKS = 40
PORTS = 460
BULK = 115
FOREIGNER = "another deployment"

Key = tuple[str, str]
"""Kind and id."""


class Drift(NamedTuple):
    """What was done by hand."""

    changed: set[Key]
    removed: set[Key]
    added: set[Key]


class Site:
    """A core, its fabric with more than 500 resources on it, and hands at the console of that."""

    def __init__(self, cloud: Cloud, url: str) -> None:
        self.cloud = cloud
        self.url = url
        self.file = cloud.folder / "fabric.db"
        self.hands = Hands(self.file)

    def build(self) -> None:
        """Create networks, subnets and bound ports over the API, change some, and have all that delivered."""
        with httpx.Client(base_url=f"{self.cloud.url}/v2.0", timeout=60) as api:
            wanted: dict[str, Any] = {
                "networks": [{"name": f"net-{n}", "fabric:colour": "red"} for n in range(NETWORKS)]
            }
            networks = [one["id"] for one in _created(api.post("/networks", json=wanted), "networks")]
            wanted = {
                "subnets": [
                    {"network_id": id, "cidr": f"10.{number}.0.0/24", "ip_version": 4}
                    for number, id in enumerate(networks)
                ]
            }
            _created(api.post("/subnets", json=wanted), "subnets")
            for start in range(0, PORTS, BULK):
                wanted = {
                    "ports": [
                        {"network_id": networks[number % NETWORKS], "binding:host_id": f"host-{number % 7}"}
                        for number in range(start, start + BULK)
                    ]
                }
                ports = _created(api.post("/ports", json=wanted), "ports")
            changes: list[tuple[str, str, dict[str, Any]]] = [
                *(("network", id, {"name": "new", "fabric:colour": "blue"}) for id in networks[:2]),
                *(("port", port["id"], {"name": "new", "binding:host_id": "host-9"}) for port in ports[:3]),
            ]
            for kind, id, change in changes:
                api.put(f"/{kind}s/{id}", json={kind: change}).raise_for_status()
            api.delete(f"/ports/{ports[9]['id']}").raise_for_status()
        wait_until(lambda: ledger.owed(self.url) == 0, what="everything to be delivered", timeout=120)
        wait_until(self._is_audited, what="the first audit to be over", timeout=120)

    def drift(self, seed: int) -> Drift:
        """Change 50 resources by hand, remove 50, add 50 with our mark, and some with another deployment's."""
        chance = random.Random(seed)
        chosen = chance.sample(sorted((row.kind, row.id) for row in rows_in(self.file)), 100)
        changed, removed = {*chosen[:50]}, {*chosen[50:]}
        likes = chance.sample(sorted(changed), 10)
        added = {(kind, self.hands.add(kind, like=id)) for kind, id in likes * 5}
        for kind, id in likes:
            self.hands.add(kind, like=id, owner=FOREIGNER)
        for kind, id in changed:
            self.hands.change(kind, id)
        for kind, id in removed:
            self.hands.remove(kind, id)
        return Drift(changed, removed, added)

    def command(self, *arguments: str) -> tuple[int, Any]:
        """Run ``jackfield driver``; return its exit code and what it prints as JSON."""
        command = [str(BIN / "jackfield"), "driver", *arguments, "--json", "--config", str(self.cloud.configs[0])]
        result = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
        assert result.stdout, result.stderr
        return result.returncode, json.loads(result.stdout)

    def foreign(self) -> dict[Key, Any]:
        """Return what belongs to another deployment, as it is in the file."""
        return {(row.kind, row.id): row for row in rows_in(self.file) if row.owner == FOREIGNER}

    def held(self) -> dict[Key, tuple[int, str, bool]]:
        """Return revision, name, and whether it was changed by hand, of all that is ours in the file."""
        return {
            (row.kind, row.id): (row.revision, json.loads(row.value or "")["name"], row.changed_by_hand)
            for row in rows_in(self.file)
            if row.owner != FOREIGNER
        }

    def wanted(self) -> dict[Key, tuple[int, str, bool]]:
        """Return what the file should say, by the database."""
        rows = ledger.rows(self.url, "SELECT kind, resource_id, desired_revision FROM delivery WHERE NOT orphan")
        revisions = {(kind, id): revision for kind, id, revision in rows}
        names = {
            (kind, id): name
            for kind in ("network", "subnet", "port")
            for id, name in ledger.rows(self.url, f"SELECT id, name FROM {kind}")
        }
        assert revisions.keys() == names.keys()
        return {key: (revisions[key], name, False) for key, name in names.items()}

    def done(self) -> list[tuple[str, str, str]]:
        """Return all that was ever done to the fabric: kind, id, and what."""
        return [(one.kind, one.id, one.action) for one in applied_in(self.file)]

    def _is_audited(self) -> bool:
        return ledger.rows(self.url, "SELECT outcome FROM driver_audit") == [("complete",)]


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Site]:
    """Give a core with a full fabric that is as it should be."""
    # A busy machine may not have every verdict in time, and none is needed here.
    with Cloud(database_url, policy="advisory", options=["--attributes", "--state-version", "1"]) as cloud:
        site = Site(cloud, database_url)
        site.build()
        yield site


@pytest.mark.timeout(600)
def test_dry_run_names_what_differs_and_resync_repairs_exactly_that(site: Site) -> None:
    """50 changed, 50 removed and 50 added are found and mended, these when somebody agrees; foreign ones stay."""
    assert site.held() == site.wanted()
    assert len(site.held()) > 500
    code, report = site.command("diff", "fabric")
    assert (code, report["differences"]) == (0, [])
    drift, foreign, done = site.drift(seed=4), site.foreign(), len(site.done())
    before = site.held()

    code, report = site.command("diff", "fabric")

    named = {(one["difference"], one["kind"], one["id"]) for one in report["differences"]}
    assert named == _named(drift)
    assert len(report["differences"]) == 150
    assert all(step["lines"] for one in report["differences"] for step in one["steps"])
    assert (code, site.held(), len(site.done())) == (1, before, done)

    # Fifty orphans are too many to be removed unasked.
    code, report = site.command("resync", "fabric", "--yes")
    assert (code, report["audit"]["held_orphans"]) == (1, 50)
    wait_until(lambda: ledger.owed(site.url) == 0, what="the repairs", timeout=120)
    assert {key: value for key, value in site.held().items() if key not in drift.added} == site.wanted()
    assert drift.added <= site.held().keys()

    code, report = site.command("resync", "fabric", "--remove-orphans", "--yes")
    assert code == 0, report
    wait_until(lambda: ledger.owed(site.url) == 0, what="the orphans to go", timeout=120)
    assert site.held() == site.wanted()
    assert (site.foreign(), len(foreign)) == (foreign, 10)
    assert sorted(site.done()[done:]) == sorted(
        [
            *((*key, "repair") for key in drift.changed),
            *((*key, "add") for key in drift.removed),
            *((*key, "remove") for key in drift.added),
        ]
    )
    code, report = site.command("diff", "fabric")
    assert (code, report["differences"]) == (0, [])


def _named(drift: Drift) -> set[tuple[str, str, str]]:
    return {
        *(("changed", *key) for key in drift.changed),
        *(("missing", *key) for key in drift.removed),
        *(("orphan", *key) for key in drift.added),
    }


def _created(answer: httpx.Response, plural: str) -> list[dict[str, Any]]:
    answer.raise_for_status()
    created: list[dict[str, Any]] = answer.json()[plural]
    return created
