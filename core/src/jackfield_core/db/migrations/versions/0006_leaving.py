"""What updates took away stays in use until drivers have heard of that."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add a table, which is empty unless some driver is behind."""
    op.create_table(
        "leaving",
        sa.Column("resource_id", sa.String(36), primary_key=True),
        sa.Column("subnet_id", sa.String(36), primary_key=True),
        sa.Column("thing", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("network_id", sa.String(36), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_leaving_network_id_thing", "leaving", ["network_id", "thing"])
