"""Indexes for big clouds: whatever is asked for often is found without reading what was not asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

LANE = ["network_id", "driver", "rank"]


def upgrade() -> None:
    """Exchange indexes of the ledger, and add those of lists."""
    _index_ledger()
    _index_lists()
    if op.get_context().dialect.name == "postgresql":
        _count_often()


def _index_ledger() -> None:
    """What a claim reads is found by indexes that stay small, and by the same ones whatever is owed."""
    for name in ("ix_delivery_order", "ix_delivery_due", "ix_delivery_claim"):
        op.drop_index(name, "delivery")
    _index("ix_delivery_due", "delivery", ["driver", "due_at", "rank"], where="owed", where_sqlite="owed = 1")
    _index("ix_delivery_claim", "delivery", ["claim"], where="claim IS NOT NULL")
    _index("ix_delivery_parent", "delivery", LANE, where="rank < 2")
    op.create_index("ix_delivery_driver", "delivery", ["driver", "kind", "resource_id"])
    _index("ix_delivery_end", "delivery", LANE, where="tombstone", where_sqlite="tombstone = 1")


def _index_lists() -> None:
    """Clients know resources by name and ports by address, and read those of a network or project in pages."""
    for table in ("network", "subnet", "port"):
        op.create_index(f"ix_{table}_name", table, ["name"])
    op.drop_index("ix_port_project_id", "port")
    for owner in ("network_id", "project_id"):
        op.create_index(f"ix_port_{owner}_id", "port", [owner, "id"])
    op.create_index("ix_ip_allocation_ip_address", "ip_allocation", ["ip_address"])


def _count_often() -> None:
    """Have PostgreSQL look at the ledger again when thousands of rows have changed, and not a fifth of a million."""
    op.execute(
        "ALTER TABLE delivery SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,"
        " autovacuum_analyze_scale_factor = 0.01, autovacuum_analyze_threshold = 500)"
    )


def _index(name: str, table: str, columns: list[str], *, where: str, where_sqlite: str | None = None) -> None:
    op.create_index(name, table, columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where_sqlite or where))
