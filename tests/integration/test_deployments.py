"""Two clouds on one fabric: each knows its own things by its mark, and takes nobody else's for orphans."""

import functools
import json
from pathlib import Path

import httpx
from jackfield_sdk.examples.loopback.rows import rows_in
from support import ledger
from support.cloud import Cloud
from support.waiting import wait_until


def test_two_clouds_on_one_fabric_leave_each_other_alone(tmp_path: Path) -> None:
    """With drivers of their own and no settings but that, neither lists nor removes what the other one made."""
    fabric = tmp_path / "fabric.db"
    urls = [f"sqlite:///{tmp_path}/{number}.sqlite" for number in range(2)]
    shared = ["--state-file", str(fabric)]
    with (
        Cloud(urls[0], keep_state=False, options=shared) as first,
        Cloud(urls[1], keep_state=False, options=shared) as second,
    ):
        for cloud, url in zip((first, second), urls, strict=True):
            created = httpx.post(f"{cloud.url}/v2.0/networks", json={"networks": [{}] * 3}, timeout=60)
            created.raise_for_status()
            wait_until(functools.partial(_is_paid, url), what="the networks to be delivered")
        before = {(row.id, row.owner) for row in rows_in(fabric)}

        reports = [
            json.loads(cloud.command("driver", "resync", "fabric", "--yes", "--json")) for cloud in (first, second)
        ]

    assert [(one["audit"]["listed"], one["audit"]["orphans"], one["owed"]) for one in reports] == [(3, 0, 0)] * 2
    assert {(row.id, row.owner) for row in rows_in(fabric)} == before
    marks = {url: ledger.rows(url, "SELECT id FROM deployment") for url in urls}
    assert {(owner,) for _, owner in before} == {mark for found in marks.values() for mark in found}
    assert len(before) == 6


def _is_paid(url: str) -> bool:
    return ledger.owed(url) == 0
