"""Requests while the database is away."""

from typing import Any

import pytest
import sqlalchemy as sa
from jackfield_core.db.network import NetworkTable


async def test_request_during_an_outage_is_a_503_and_succeeds_afterwards(api: Any, outage: Any) -> None:
    """The client is told to come back, not that the core is broken; nobody restarts anything."""
    await api.create("network")

    with outage():
        for _ in range(2):  # once on a connection that has been open, once on none
            written = await api.http.post("/v2.0/networks", json={"network": {}})
            read = await api.http.get("/v2.0/networks")
            for answer in (written, read):
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "5"), answer.text
                assert "database" in answer.json()["NeutronError"]["message"]

    await api.create("network")
    assert len(await api.list("networks")) == 2


async def test_mistake_in_a_statement_stays_a_500(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column that does not exist is a fault of ours: trying again does not help."""

    async def broken(self: NetworkTable, _query: Any) -> Any:
        await self._connection.execute(sa.text("SELECT colour FROM network"))

    monkeypatch.setattr(NetworkTable, "list", broken)

    assert (await api.http.get("/v2.0/networks")).status_code == 500
