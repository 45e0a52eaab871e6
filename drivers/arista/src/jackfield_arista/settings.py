"""What the operator tells the driver process; what it knows of switches is in the inventory.

The tree is read once at start from three places, the first that speaks wins: the environment
(`JACKFIELD_ARISTA_INVENTORY`), the `[arista]` table of the TOML file given with `--config`, the
defaults below. It is frozen: a change is a restart. The inventory file is read again when it changes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class AristaSettings(BaseSettings):
    """Settings of the driver that concern switches; those of its socket are the SDK's. Times are in seconds."""

    model_config = SettingsConfigDict(
        env_prefix="JACKFIELD_ARISTA_", frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    # What there is, and what the driver keeps.
    inventory: Path = Path("/etc/jackfield/inventory.yaml")
    """Switches, groups, credentials and attachments."""
    state_directory: Path = Path("/var/lib/jackfield/arista")
    """Where the driver keeps what is wanted of each switch. Shared with its next version, and nobody else."""
    known_hosts: Path | None = Path("/etc/jackfield/known_hosts")
    """Host keys of switches that have no `host_key` in the inventory, as `ssh-keyscan` prints them."""
    attach_by_lldp: Literal["never", "agents", "agents_and_switches"] = "agents"
    """Take a host that the inventory does not list as attached where LLDP says it is. Agents are believed; the
    tables of switches only if told, because a rented machine may call itself by any host's name."""

    # The pace.
    patience: float = Field(default=2.0, gt=0, le=30)
    """How long the core waits for a switch before it hears "in progress"."""
    connect_timeout: float = Field(default=10.0, gt=0, le=120)
    """To reach a switch and log in."""
    rpc_timeout: float = Field(default=30.0, gt=0, le=600)
    """For one answer of a switch; saving a large configuration is the slowest."""
    retry_min: float = Field(default=1.0, gt=0)
    """First pause after a switch could not be reached; it doubles, with jitter."""
    retry_max: float = Field(default=60.0, gt=0)
    """Longest pause between attempts to reach a switch."""
    poll_interval: float = Field(default=60.0, gt=0)
    """Between looks at a switch that nothing changes on: did it lose what it held, has it new neighbours?"""
    reload_interval: float = Field(default=2.0, gt=0, le=60)
    """Between looks at the inventory file."""

    @field_validator("inventory", "state_directory", "known_hosts")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value.absolute() if value is not None else None
