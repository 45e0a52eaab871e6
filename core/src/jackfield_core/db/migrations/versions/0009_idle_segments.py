"""Dynamic segments are found without reading all segments."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add an index that most deployments leave empty."""
    op.create_index(
        "ix_segment_dynamic",
        "segment",
        ["network_id"],
        sqlite_where=sa.text("is_dynamic = 1"),
        postgresql_where=sa.text("is_dynamic"),
    )
