"""The tables of ports: what users ask of a port, where it lives, and who bound which segment for it there."""

from typing import Any

import sqlalchemy as sa

from jackfield_core.db.base import Id, Json, Name, metadata
from jackfield_core.types import AddressPair, DhcpOption, FixedIp

table = sa.Table(
    "port",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("network_id", Id, sa.ForeignKey("network.id"), nullable=False),
    sa.Column("project_id", Name, nullable=False),
    sa.Column("name", Name, nullable=False),
    sa.Column("description", Name, nullable=False),
    sa.Column("admin_state_up", sa.Boolean, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("mac_address", sa.String(17), nullable=False),
    sa.Column("device_id", Name, nullable=False, index=True),
    sa.Column("device_owner", Name, nullable=False),
    sa.Column("port_security_enabled", sa.Boolean, nullable=False),
    sa.Column("fixed_ips", Json(tuple[FixedIp, ...]), nullable=False),
    sa.Column("allowed_address_pairs", Json(tuple[AddressPair, ...]), nullable=False),
    sa.Column("extra_dhcp_opts", Json(tuple[DhcpOption, ...]), nullable=False),
    sa.Column("revision_number", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("updated_at", sa.DateTime, nullable=False),
    sa.Column("deleted_at", sa.DateTime),
    # How often it became ACTIVE: what tells a port that is still up from one that came up again.
    sa.Column("activations", sa.Integer, nullable=False, server_default="0"),
    # A deleted port holds its MAC until it is purged.
    sa.UniqueConstraint("network_id", "mac_address"),
    # Of all of them there may be very many; lists of them come in pages.
    sa.Index("ix_port_name_id", "name", "id"),
    sa.Index("ix_port_network_id_id", "network_id", "id"),
    sa.Index("ix_port_project_id_id", "project_id", "id"),
    sa.Index("ix_port_device_owner_id", "device_owner", "id"),
    sa.Index("ix_port_mac_address", "mac_address"),
)

binding_table = sa.Table(
    "port_binding",
    metadata,
    sa.Column("port_id", Id, sa.ForeignKey("port.id", ondelete="CASCADE"), primary_key=True),
    # Empty while the port is on no host.
    sa.Column("host", Name, primary_key=True),
    sa.Column("vnic_type", sa.String(64), nullable=False),
    sa.Column("profile", Json(dict[str, Any]), nullable=False),
    sa.Column("vif_type", sa.String(64), nullable=False),
    sa.Column("vif_details", Json(dict[str, Any]), nullable=False),
    # What the host reported last, and why it is not up.
    sa.Column("wiring", sa.String(16), nullable=False),
    sa.Column("wiring_reason", sa.Text, nullable=False),
    # Why the binding failed: a list of {driver, level, reason}.
    sa.Column("failures", Json(tuple[dict[str, Any], ...]), nullable=False),
    sa.Index("ix_port_binding_host_port_id", "host", "port_id"),
    sa.Index(
        "ix_port_binding_vif_type",
        "vif_type",
        sqlite_where=sa.text("vif_type = 'binding_failed'"),
        postgresql_where=sa.text("vif_type = 'binding_failed'"),
    ),
)

level_table = sa.Table(
    "binding_level",
    metadata,
    sa.Column("port_id", Id, sa.ForeignKey("port.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("host", Name, primary_key=True),
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("driver", sa.String(63), nullable=False),
    sa.Column("segment_id", Id, nullable=False, index=True),
)
