"""Pages of lists are in the order of indexes, and what waits for a parent that pauses is passed at once."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


NEVER_TOLD = "rank < 2 AND acknowledged_revision IS NULL"


def upgrade() -> None:
    """Exchange indexes that find the rows of a list for such that have its order, too; add some."""
    for table in ("network", "subnet", "port"):
        _exchange(table, "name", "id")
    for table in ("network", "subnet"):
        _exchange(table, "project_id", "id")
    _exchange("port_binding", "host", "port_id")
    op.create_index("ix_port_device_owner_id", "port", ["device_owner", "id"])
    op.create_index("ix_segment_segmentation_id", "segment", ["segmentation_id"])
    op.create_index(
        "ix_delivery_never_told",
        "delivery",
        ["driver", "due_at"],
        sqlite_where=sa.text(f"owed = 1 AND {NEVER_TOLD}"),
        postgresql_where=sa.text(f"owed AND {NEVER_TOLD}"),
    )


def _exchange(table: str, column: str, key: str) -> None:
    op.drop_index(f"ix_{table}_{column}", table)
    op.create_index(f"ix_{table}_{column}_{key}", table, [column, key])
