"""Orphans, fencing epochs, audits, and what operators did."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

DRIVER = sa.String(63)
# Structured columns are JSON text on both databases.
JSON = sa.Text()


def upgrade() -> None:
    """Add what the core needs to compare itself with devices, and to say what is not yet true."""
    with op.batch_alter_table("delivery") as delivery:
        delivery.add_column(sa.Column("orphan", sa.Boolean(), nullable=False, server_default=sa.false()))
        delivery.add_column(sa.Column("acknowledged_at", sa.DateTime()))
    _index_deliveries("ix_delivery_failed", "disposition <> ''", "disposition <> ''")
    _index_deliveries("ix_delivery_orphan", "orphan", "orphan = 1")
    with op.batch_alter_table("driver") as driver:
        driver.add_column(sa.Column("claim_epoch", sa.BigInteger(), nullable=False, server_default="0"))
    # How often a port became ACTIVE: compute services are told of one that came up again.
    op.add_column("port", sa.Column("activations", sa.Integer(), nullable=False, server_default="0"))
    _create_audits()


def _index_deliveries(name: str, postgresql: str, sqlite: str) -> None:
    """Index the few rows that are out of order, in the order in which they are listed."""
    op.create_index(
        name,
        "delivery",
        ["kind", "resource_id", "driver"],
        postgresql_where=sa.text(postgresql),
        sqlite_where=sa.text(sqlite),
    )


def _create_audits() -> None:
    """What the last comparison with a driver's devices found, and what operators asked for."""
    op.create_table(
        "driver_audit",
        sa.Column("driver", DRIVER, primary_key=True),
        sa.Column("requested_at", sa.DateTime()),
        sa.Column("leased_until", sa.DateTime()),
        sa.Column("started_at", sa.DateTime()),
        sa.Column("finished_at", sa.DateTime()),
        sa.Column("outcome", sa.String(16), nullable=False, server_default=""),
        sa.Column("reason", sa.Text(), nullable=False, server_default=""),
        sa.Column("listed", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("missing", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("changed", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("orphans", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("held_orphans", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("unreachable", JSON, nullable=False, server_default="[]"),
        sa.Column("remove_orphans", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("listed_kinds", JSON, nullable=False, server_default="[]"),
    )
    op.create_table(
        "operator_action",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("driver", DRIVER, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False, server_default=""),
        sa.Column("resource_id", sa.String(36), nullable=False, server_default=""),
        sa.Column("request_id", sa.String(64), nullable=False, server_default=""),
        sa.Column("detail", sa.Text(), nullable=False, server_default=""),
    )
