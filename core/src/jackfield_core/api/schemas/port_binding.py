"""Bindings of ports on the wire: ``{"binding": …}``, by host, without the prefix that ports give them."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from jackfield_core.api.schemas.port_values import read_profile, read_vnic_type
from jackfield_core.api.schemas.values import Text, host_name, refuse
from jackfield_core.services.port_binding import BindingSpec, PortBinding


class CreateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request for a binding; the project is known from the port, and clients may name it."""

    host: Text
    vnic_type: str = "normal"
    profile: dict[str, Any] | None = None
    project_id: Text | UnsetType = UNSET

    def spec(self) -> BindingSpec:
        """Return what the service is asked for.

        Raises:
            Invalid: The host has no name or none that fits into a path, or another value does not fit.
        """
        if not host_name("host", self.host):
            raise refuse("host", "it is empty")
        return BindingSpec(vnic_type=read_vnic_type(self.vnic_type), profile=read_profile(self.profile or {}))


class UpdateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request to change a binding; its host is in the path, and may be said again."""

    host: Text | UnsetType = UNSET
    vnic_type: str | UnsetType = UNSET
    profile: dict[str, Any] | UnsetType | None = UNSET

    def spec(self, host: str) -> BindingSpec:
        """Return what the service is asked for.

        Raises:
            Invalid: The binding is to have another host, or a value does not fit.
        """
        if self.host not in (UNSET, host):
            raise refuse("host", "a binding does not move; create one on the other host")
        return BindingSpec(
            vnic_type=UNSET if self.vnic_type is UNSET else read_vnic_type(self.vnic_type),
            profile=UNSET if self.profile is UNSET else read_profile(self.profile or {}),
        )


class BindingOut(Struct, frozen=True):
    """A binding; *failures* say which drivers did not bind the port, and why."""

    host: str
    status: str
    vnic_type: str
    profile: dict[str, Any]
    vif_type: str
    vif_details: dict[str, Any]
    failures: Sequence[dict[str, Any]]


FILTERS = ("host", "status", "vnic_type", "vif_type")


def render(one: PortBinding) -> BindingOut:
    """Return a binding as it is shown."""
    binding = one.binding
    return BindingOut(
        binding.host,
        "ACTIVE" if one.is_active else "INACTIVE",
        binding.vnic_type,
        binding.profile,
        binding.vif_type,
        binding.vif_details,
        binding.failures,
    )
