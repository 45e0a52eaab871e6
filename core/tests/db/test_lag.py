"""The ledger in numbers."""

from datetime import timedelta

import sqlalchemy as sa
from jackfield_core.db.base import now
from jackfield_core.db.delivery import table
from jackfield_core.db.engine import Database
from jackfield_core.db.lag import Lag, LagTable

DEFAULTS = {
    "kind": "port",
    "rank": 2,
    "desired_revision": 2,
    "acknowledged_revision": 1,
    "tombstone": False,
    "owed": True,
    "attempts": 0,
    "disposition": "",
    "reason": "",
    "message": "",
    "orphan": False,
}


async def test_lag_sums_up_what_is_owed(database: Database) -> None:
    """Debts are counted by what became of them, the oldest is named, and what is paid or held does not count."""
    at = now().replace(microsecond=0)
    debts = [
        {"owed_since": at - timedelta(seconds=90)},
        {"owed_since": at, "attempts": 4, "disposition": "retry"},
        {"owed_since": at, "attempts": 9, "disposition": "infeasible"},
        {"owed_since": at, "disposition": "in_progress"},
        {"owed_since": at, "tombstone": True},
        {"owed": False, "owed_since": None},
        {"owed": False, "owed_since": None, "tombstone": True, "orphan": True},
    ]
    rows = [
        {**DEFAULTS, "driver": "fabric", "resource_id": f"{number}", "network_id": "n", "due_at": at, **debt}
        for number, debt in enumerate(debts)
    ]
    async with database.writing() as connection:
        await connection.execute(sa.insert(table), rows)

    async with database.reading() as connection:
        lags, held = await LagTable(connection).list(), await LagTable(connection).held("fabric")

    expected = Lag(
        "fabric",
        owed=5,
        owed_since=at - timedelta(seconds=90),
        failing=2,
        refused=1,
        in_progress=1,
        ending=1,
        most_attempts=9,
        next_due_at=at,
    )
    assert (lags, held) == ({"fabric": expected}, 1)
    assert expected.age(at) == 90.0
    assert Lag("leaf").age(at) == 0.0
