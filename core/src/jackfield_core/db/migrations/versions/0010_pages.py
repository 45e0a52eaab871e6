"""Pages of lists end where they end, in the order of their indexes."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Exchange indexes that find the rows of a list for such that have its order, too."""
    for table in ("network", "subnet", "port"):
        _exchange(table, "name", "id")
    for table in ("network", "subnet"):
        _exchange(table, "project_id", "id")
    _exchange("port_binding", "host", "port_id")


def _exchange(table: str, column: str, key: str) -> None:
    op.drop_index(f"ix_{table}_{column}", table)
    op.create_index(f"ix_{table}_{column}_{key}", table, [column, key])
