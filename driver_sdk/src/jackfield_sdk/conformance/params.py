"""What a driver's surroundings are: the TOML file of `--params`.

A driver in memory needs none of it. One with a switch behind it knows which physical networks and
VLANs it may touch, and which hosts hang on it; the suite stays inside of that.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

KNOWN_TYPES = ("vlan", "vxlan", "geneve", "gre", "flat", "local")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HostParams(_Table):
    """A host that ports are bound on. `configurations` are those of its agent, as a JSON object."""

    name: str
    agent: bool = True
    physical_networks: list[str] | None = None
    tunnel_ip: str | None = "192.0.2.17"
    tunnel_types: list[str] = ["vxlan", "geneve", "gre"]
    configurations: dict[str, Any] = {}


class Rejected(_Table):
    """Something that the driver must reject in precommit: a network of this name or this VLAN."""

    network_name: str | None = None
    vlan: int | None = Field(default=None, ge=1, le=4094)


class Params(_Table):
    """All of the file; every key has a default that suits a driver in memory."""

    physical_networks: list[str] = ["datacentre"]
    vlan_range: tuple[int, int] = (1000, 1999)
    vni_range: tuple[int, int] = (70_000, 89_999)
    network_types: list[str] = []
    hosts: list[HostParams] = [HostParams(name="conformance-host")]
    owned_kinds: list[str] | None = Field(
        default=None, description="Kinds that leave something on the device to list; by default all that are wanted."
    )
    agent_required: bool = Field(default=False, description="True if only hosts with a living agent are bound.")
    rejected: Rejected | None = None
    attributes: dict[str, dict[str, Any]] = Field(
        default={}, description="Values of the vendor's attributes by kind and name, where a schema's own do not do."
    )
    foreign_command: str = Field(
        default="", description="Prints what the deployment does not own; must print the same before and after."
    )
    change_command: str = Field(
        default="", description="Changes on the device, behind the driver's back, the resource {kind} {id}."
    )
    remove_command: str = Field(
        default="", description="Removes from the device, behind the driver's back, the resource {kind} {id}."
    )


def read_params(path: Path | None) -> Params:
    """Read the file, or take the defaults; ValueError names the file and what is wrong."""
    if path is None:
        return Params()
    try:
        return Params.model_validate(tomllib.loads(path.read_text()))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
