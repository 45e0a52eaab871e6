"""It is known which backends held what at the last audit."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add a table, which the next audits fill."""
    op.create_table(
        "driver_spread",
        sa.Column("driver", sa.String(63), primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("resource_id", sa.String(36), primary_key=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("backends", sa.Text(), nullable=False),
    )
