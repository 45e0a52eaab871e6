"""Bindings of ports on hosts that they move to."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add a table; a port has its one active binding where it was."""
    op.create_table(
        "inactive_binding",
        sa.Column("port_id", sa.String(36), sa.ForeignKey("port.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("host", sa.String(255), primary_key=True),
        sa.Column("binding", sa.Text(), nullable=False),
        sa.Column("levels", sa.Text(), nullable=False),
    )
