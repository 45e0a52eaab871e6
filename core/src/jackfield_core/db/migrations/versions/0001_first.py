"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.String(36)
NAME = sa.String(255)
# Structured columns are JSON text on both databases.
JSON = sa.Text()


def upgrade() -> None:
    """Create all tables, parents first."""
    _create_networks()
    _create_ports()
    _create_ledger()


def _create_networks() -> None:
    """Networks, their segments and subnets."""
    op.create_table(
        "network",
        sa.Column("id", ID, primary_key=True),
        sa.Column("project_id", NAME, nullable=False, index=True),
        sa.Column("name", NAME, nullable=False),
        sa.Column("description", NAME, nullable=False),
        sa.Column("admin_state_up", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("mtu", sa.Integer(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("external", sa.Boolean(), nullable=False),
        sa.Column("port_security_enabled", sa.Boolean(), nullable=False),
        sa.Column("revision_number", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.Column("deleted_at", sa.DateTime()),
    )
    op.create_table(
        "segment_range",
        sa.Column("id", ID, primary_key=True),
        sa.Column("network_type", sa.String(32), nullable=False),
        sa.Column("physical_network", sa.String(64), nullable=False),
        sa.Column("minimum", sa.BigInteger(), nullable=False),
        sa.Column("maximum", sa.BigInteger(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "segment",
        sa.Column("id", ID, primary_key=True),
        sa.Column(
            "network_id",
            ID,
            sa.ForeignKey("network.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
            nullable=False,
            index=True,
        ),
        sa.Column("network_type", sa.String(32), nullable=False),
        sa.Column("physical_network", sa.String(64)),
        sa.Column("segmentation_id", sa.BigInteger()),
        sa.Column("name", NAME, nullable=False),
        sa.Column("description", NAME, nullable=False),
        sa.Column("is_dynamic", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("revision_number", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
    )
    op.create_table(
        "subnet",
        sa.Column("id", ID, primary_key=True),
        sa.Column("network_id", ID, sa.ForeignKey("network.id", ondelete="CASCADE"), nullable=False, index=True),
        sa.Column("project_id", NAME, nullable=False, index=True),
        sa.Column("name", NAME, nullable=False),
        sa.Column("description", NAME, nullable=False),
        sa.Column("ip_version", sa.Integer(), nullable=False),
        sa.Column("cidr", sa.String(64), nullable=False),
        sa.Column("gateway_ip", sa.String(64)),
        sa.Column("enable_dhcp", sa.Boolean(), nullable=False),
        sa.Column("ipv6_address_mode", sa.String(32)),
        sa.Column("ipv6_ra_mode", sa.String(32)),
        sa.Column("segment_id", ID),
        sa.Column("allocation_pools", JSON, nullable=False),
        sa.Column("dns_nameservers", JSON, nullable=False),
        sa.Column("host_routes", JSON, nullable=False),
        sa.Column("revision_number", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.Column("deleted_at", sa.DateTime()),
    )
    op.create_table(
        "segment_allocation",
        sa.Column("network_type", sa.String(32), primary_key=True),
        sa.Column("physical_network", sa.String(64), primary_key=True),
        sa.Column("segmentation_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column(
            "segment_id",
            ID,
            sa.ForeignKey("segment.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
            nullable=False,
            index=True,
        ),
    )


def _create_ports() -> None:
    """Ports, their bindings and addresses."""
    op.create_table(
        "port",
        sa.Column("id", ID, primary_key=True),
        sa.Column("network_id", ID, sa.ForeignKey("network.id"), nullable=False),
        sa.Column("project_id", NAME, nullable=False, index=True),
        sa.Column("name", NAME, nullable=False),
        sa.Column("description", NAME, nullable=False),
        sa.Column("admin_state_up", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("mac_address", sa.String(17), nullable=False),
        sa.Column("device_id", NAME, nullable=False, index=True),
        sa.Column("device_owner", NAME, nullable=False),
        sa.Column("port_security_enabled", sa.Boolean(), nullable=False),
        sa.Column("fixed_ips", JSON, nullable=False),
        sa.Column("allowed_address_pairs", JSON, nullable=False),
        sa.Column("extra_dhcp_opts", JSON, nullable=False),
        sa.Column("revision_number", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("updated_at", sa.DateTime(), nullable=False),
        sa.Column("deleted_at", sa.DateTime()),
        sa.UniqueConstraint("network_id", "mac_address"),
    )
    op.create_index("ix_port_mac_address", "port", ["mac_address"])
    op.create_table(
        "binding_level",
        sa.Column("port_id", ID, sa.ForeignKey("port.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("host", NAME, primary_key=True),
        sa.Column("level", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("driver", sa.String(63), nullable=False),
        sa.Column("segment_id", ID, nullable=False, index=True),
    )
    op.create_table(
        "ip_allocation",
        sa.Column("subnet_id", ID, sa.ForeignKey("subnet.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("ip_address", sa.String(64), primary_key=True),
        sa.Column(
            "port_id",
            ID,
            sa.ForeignKey("port.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
            nullable=False,
            index=True,
        ),
        sa.Column("position", sa.BigInteger()),
    )
    op.create_index("ix_ip_allocation_subnet_id_position", "ip_allocation", ["subnet_id", "position"])
    op.create_table(
        "port_binding",
        sa.Column("port_id", ID, sa.ForeignKey("port.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("host", NAME, primary_key=True),
        sa.Column("vnic_type", sa.String(64), nullable=False),
        sa.Column("profile", JSON, nullable=False),
        sa.Column("vif_type", sa.String(64), nullable=False),
        sa.Column("vif_details", JSON, nullable=False),
        sa.Column("wiring", sa.String(16), nullable=False),
        sa.Column("wiring_reason", sa.Text(), nullable=False),
        sa.Column("failures", JSON, nullable=False),
    )
    op.create_index("ix_port_binding_host", "port_binding", ["host"])
    op.create_index(
        "ix_port_binding_vif_type",
        "port_binding",
        ["vif_type"],
        postgresql_where=sa.text("vif_type = 'binding_failed'"),
        sqlite_where=sa.text("vif_type = 'binding_failed'"),
    )


def _create_ledger() -> None:
    """Drivers and agents, what they are owed, and what changed."""
    op.create_table(
        "agent",
        sa.Column("id", ID, primary_key=True),
        sa.Column("agent_type", NAME, nullable=False),
        sa.Column("host", NAME, nullable=False),
        sa.Column("binary", NAME, nullable=False),
        sa.Column("version", NAME, nullable=False),
        sa.Column("driver", sa.String(63), nullable=False),
        sa.Column("description", NAME, nullable=False),
        sa.Column("admin_state_up", sa.Boolean(), nullable=False),
        sa.Column("physical_networks", JSON, nullable=False),
        sa.Column("tunnel_types", JSON, nullable=False),
        sa.Column("tunnel_ip", sa.String(64)),
        sa.Column("vif_types", JSON, nullable=False),
        sa.Column("configurations", JSON, nullable=False),
        sa.Column("neighbours", JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(), nullable=False),
        sa.UniqueConstraint("agent_type", "host"),
    )
    op.create_index("ix_agent_host", "agent", ["host"])
    op.create_table(
        "change_feed",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("network_id", ID, nullable=False),
        sa.Column("host", NAME, nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False, index=True),
    )
    op.create_table(
        "delivery",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("resource_id", ID, primary_key=True),
        sa.Column("driver", sa.String(63), primary_key=True),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("network_id", ID, nullable=False),
        sa.Column("desired_revision", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_revision", sa.BigInteger()),
        sa.Column("tombstone", sa.Boolean(), nullable=False),
        sa.Column("owed", sa.Boolean(), nullable=False),
        sa.Column("owed_since", sa.DateTime()),
        sa.Column("original", sa.LargeBinary()),
        sa.Column("state_version", sa.Integer()),
        sa.Column("state", sa.LargeBinary()),
        sa.Column("due_at", sa.DateTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claim", ID),
        sa.Column("claimed_revision", sa.BigInteger()),
        sa.Column("leased_until", sa.DateTime()),
        sa.Column("disposition", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(63), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
    )
    op.create_index("ix_delivery_claim", "delivery", ["claim"])
    op.create_index(
        "ix_delivery_due",
        "delivery",
        ["driver", "due_at"],
        postgresql_where=sa.text("owed"),
        sqlite_where=sa.text("owed = 1"),
    )
    op.create_index(
        "ix_delivery_order",
        "delivery",
        ["network_id", "driver", "rank"],
        postgresql_where=sa.text("owed"),
        sqlite_where=sa.text("owed = 1"),
    )
    op.create_table(
        "driver",
        sa.Column("name", sa.String(63), primary_key=True),
        sa.Column("version", NAME, nullable=False),
        sa.Column("instance_id", NAME, nullable=False),
        sa.Column("interests", JSON, nullable=False),
        sa.Column("bind", JSON),
        sa.Column("epochs", JSON, nullable=False),
        sa.Column("handshake_at", sa.DateTime(), nullable=False),
    )
