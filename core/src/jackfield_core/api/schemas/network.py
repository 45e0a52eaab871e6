"""Networks on the wire.

A network with one segment shows it in the ``provider:`` attributes, one with
several shows a list of ``segments`` instead. Requests take the same two forms,
but not both at once.
"""

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from jackfield_core.api.schemas.moment import moment
from jackfield_core.api.schemas.values import (
    Flag,
    Number,
    Text,
    flag,
    number,
    project,
    refuse,
)
from jackfield_core.context import RequestContext
from jackfield_core.db.segment import Segment
from jackfield_core.db.tree import NetworkTree
from jackfield_core.errors import Invalid
from jackfield_core.services.spec import NetworkCreate, NetworkUpdate
from jackfield_core.types import SegmentSpec

LARGEST_MTU = 65535
"""The length field of IP has 16 bits (RFC 791)."""
LARGEST_ID = (1 << 63) - 1
"""What a database column holds; the real bound is the type driver's."""


class SegmentBody(Struct, frozen=True, forbid_unknown_fields=True):
    """One of several segments of a network."""

    network_type: Text | None = field(name="provider:network_type", default=None)
    physical_network: Text | None = field(name="provider:physical_network", default=None)
    segmentation_id: Number | None = field(name="provider:segmentation_id", default=None)


class CreateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request for a network."""

    project_id: Text | UnsetType = UNSET
    tenant_id: Text | UnsetType = UNSET
    name: Text = ""
    description: Text = ""
    admin_state_up: Flag = True
    mtu: Number | UnsetType = UNSET
    shared: Flag = False
    external: Flag = field(name="router:external", default=False)
    port_security_enabled: Flag = True
    network_type: Text | None = field(name="provider:network_type", default=None)
    physical_network: Text | None = field(name="provider:physical_network", default=None)
    segmentation_id: Number | None = field(name="provider:segmentation_id", default=None)
    segments: list[SegmentBody] | None = None

    def spec(self, ctx: RequestContext) -> NetworkCreate:
        """Return what the network service is asked for."""
        return NetworkCreate(
            project_id=project(ctx, self.project_id, self.tenant_id),
            name=self.name,
            description=self.description,
            admin_state_up=flag("admin_state_up", self.admin_state_up),
            mtu=UNSET if self.mtu is UNSET else _mtu(self.mtu),
            shared=flag("shared", self.shared),
            external=flag("router:external", self.external),
            port_security_enabled=flag("port_security_enabled", self.port_security_enabled),
            segments=self._segments(),
        )

    def _segments(self) -> tuple[SegmentSpec, ...]:
        provider = segment_spec(self.network_type, self.physical_network, self.segmentation_id, "provider:")
        if provider == SegmentSpec():
            return tuple(
                segment_spec(one.network_type, one.physical_network, one.segmentation_id, "provider:")
                for one in self.segments or ()
            )
        if self.segments:
            raise Invalid(
                "Segments and provider values cannot both be set.", type="SegmentsSetInConjunctionWithProviders"
            )
        return (provider,)


class UpdateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request to change a network."""

    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    admin_state_up: Flag | UnsetType = UNSET
    mtu: Number | UnsetType = UNSET
    shared: Flag | UnsetType = UNSET
    external: Flag | UnsetType = field(name="router:external", default=UNSET)
    port_security_enabled: Flag | UnsetType = UNSET

    def spec(self) -> NetworkUpdate:
        """Return what the network service is asked for."""
        return NetworkUpdate(
            name=self.name,
            description=self.description,
            admin_state_up=flag("admin_state_up", self.admin_state_up),
            mtu=UNSET if self.mtu is UNSET else _mtu(self.mtu),
            shared=flag("shared", self.shared),
            external=flag("router:external", self.external),
            port_security_enabled=flag("port_security_enabled", self.port_security_enabled),
        )


class ProviderSegment(Struct, frozen=True):
    """One of several segments, as a network shows it."""

    network_type: str = field(name="provider:network_type")
    physical_network: str | None = field(name="provider:physical_network")
    segmentation_id: int | None = field(name="provider:segmentation_id")


class NetworkOut(Struct, frozen=True):
    """A network as administrators and services see it; *mtu* is in bytes. What it is made of is not for others."""

    id: str
    name: str
    project_id: str
    tenant_id: str
    description: str
    admin_state_up: bool
    status: str
    mtu: int
    shared: bool
    external: bool = field(name="router:external")
    port_security_enabled: bool
    subnets: list[str]
    revision_number: int
    created_at: str
    updated_at: str
    network_type: str | UnsetType = field(name="provider:network_type", default=UNSET)
    physical_network: str | UnsetType | None = field(name="provider:physical_network", default=UNSET)
    segmentation_id: int | UnsetType | None = field(name="provider:segmentation_id", default=UNSET)
    segments: list[ProviderSegment] | UnsetType = UNSET


def render(tree: NetworkTree) -> NetworkOut:
    """Return a network as operators see it; dynamic segments are between the core and its drivers."""
    network = tree.network
    segments = [segment for segment in tree.segments if not segment.is_dynamic]
    only = segments[0] if len(segments) == 1 else None
    return NetworkOut(
        network.id,
        network.name,
        network.project_id,
        network.project_id,
        network.description,
        network.admin_state_up,
        network.status,
        network.mtu,
        network.shared,
        network.external,
        network.port_security_enabled,
        [subnet.id for subnet in tree.subnets],
        network.revision_number,
        moment(network.created_at),
        moment(network.updated_at),
        only.network_type if only else UNSET,
        only.physical_network if only else UNSET,
        only.segmentation_id if only else UNSET,
        [_provider(segment) for segment in segments] if len(segments) > 1 else UNSET,
    )


def render_for_users(tree: NetworkTree) -> NetworkOut:
    """Return a network as everybody else sees it: without its segments."""
    return msgspec.structs.replace(
        render(tree), network_type=UNSET, physical_network=UNSET, segmentation_id=UNSET, segments=UNSET
    )


def segment_spec(
    network_type: str | None, physical_network: str | None, segmentation_id: Number | None, prefix: str = ""
) -> SegmentSpec:
    """Return the segment that three attributes ask for; *prefix* is that of their names."""
    if physical_network and len(physical_network) > 64:
        raise refuse(f"{prefix}physical_network", "it exceeds maximum length of 64")
    if network_type and len(network_type) > 32:
        raise refuse(f"{prefix}network_type", "it exceeds maximum length of 32")
    if segmentation_id is not None:
        segmentation_id = number(f"{prefix}segmentation_id", segmentation_id, LARGEST_ID)
    return SegmentSpec(network_type or None, physical_network or None, segmentation_id)


def _mtu(value: Number) -> int:
    return number("mtu", value, LARGEST_MTU)


def _provider(segment: Segment) -> ProviderSegment:
    return ProviderSegment(segment.network_type, segment.physical_network, segment.segmentation_id)
