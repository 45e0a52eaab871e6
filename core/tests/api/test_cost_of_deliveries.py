"""What it costs to show how far drivers are, with nobody else at work."""

from typing import Any

import pytest
from jackfield_core.app import Application

USER = {"X-Roles": "member"}
DELIVERY = "jackfield:delivery"


async def test_it_costs_one_question_and_others_nothing(
    api: Any, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many resources a page has; who does not ask for it or may not see it pays nothing."""
    network = await api.create("network")
    for _ in range(3):
        await api.create("port", network_id=network["id"])
    reads = 0
    reading = application.unit_of_work.reading

    def counted() -> Any:
        nonlocal reads
        reads += 1
        return reading()

    monkeypatch.setattr(application.unit_of_work, "reading", counted)

    async def cost(path: str, headers: dict[str, str] | None = None) -> int:
        nonlocal reads
        reads = 0
        assert (await api.http.get(f"/v2.0/{path}", headers=headers)).status_code == 200
        return reads

    assert await cost("ports") == 1
    assert await cost(f"ports?fields={DELIVERY}") == 2
    assert await cost(f"ports?fields={DELIVERY}", USER) == 1
    assert await cost(f"networks/{network['id']}") == 2
    assert await cost(f"networks/{network['id']}", USER) == 1
    assert await cost("deliveries") == 1
