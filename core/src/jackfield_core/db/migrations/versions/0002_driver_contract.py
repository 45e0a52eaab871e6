"""Vendor attributes, versions of driver state, and quarantine."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ID = sa.String(36)
NAME = sa.String(255)
DRIVER = sa.String(63)
# Structured columns are JSON text on both databases.
JSON = sa.Text()


def upgrade() -> None:
    """Add what the core remembers of drivers, and the tables of their attributes."""
    _remember_drivers()
    _create_attributes()


def _remember_drivers() -> None:
    """What a driver can do, which version of state it writes, and whether it may be called."""
    with op.batch_alter_table("driver") as driver:
        driver.add_column(sa.Column("state_version", sa.Integer()))
        driver.add_column(sa.Column("schema_digest", sa.LargeBinary()))
        driver.add_column(sa.Column("features", JSON, nullable=False, server_default="[]"))
        driver.add_column(sa.Column("quarantined_at", sa.DateTime()))
        driver.add_column(sa.Column("quarantine_reason", sa.Text()))
        driver.add_column(sa.Column("quarantined_version", NAME))
        driver.add_column(sa.Column("garbage_at", JSON, nullable=False, server_default="[]"))
        driver.add_column(sa.Column("predecessors", JSON, nullable=False, server_default="[]"))


def _create_attributes() -> None:
    """Schemas that drivers declared, and values on resources."""
    op.create_table(
        "attribute_schema",
        sa.Column("driver", DRIVER, primary_key=True),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("json_schema", sa.Text(), nullable=False),
        sa.Column("mutable", sa.Boolean(), nullable=False),
        sa.Column("sensitive_paths", JSON, nullable=False),
        sa.Column("read_only", sa.Boolean(), nullable=False),
        sa.Column("operator_only", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "vendor_attribute",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("resource_id", ID, primary_key=True),
        sa.Column("driver", DRIVER, primary_key=True),
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("value", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ix_vendor_attribute_kind_resource_id", "vendor_attribute", ["kind", "resource_id"])
