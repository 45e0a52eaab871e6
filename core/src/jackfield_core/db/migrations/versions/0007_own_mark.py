"""A deployment has a mark of its own on devices."""

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

FORMER = "jackfield"
"""What every deployment called itself before."""


def upgrade() -> None:
    """Add a table, and mint the mark."""
    deployment = op.create_table("deployment", sa.Column("id", sa.String(64), primary_key=True))
    # Devices that bear the former mark would take it for somebody else's.
    is_known = op.get_bind().execute(sa.text("SELECT count(*) FROM driver")).scalar_one() > 0
    op.bulk_insert(deployment, [{"id": FORMER if is_known else str(uuid.uuid4())}])
