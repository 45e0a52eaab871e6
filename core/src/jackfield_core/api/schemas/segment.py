"""Segments on the wire."""

from msgspec import UNSET, Struct, UnsetType, field

from jackfield_core.api.schemas.moment import moment
from jackfield_core.api.schemas.network import segment_spec
from jackfield_core.api.schemas.values import Number, Text, Uuid
from jackfield_core.context import RequestContext
from jackfield_core.db.segment import Segment
from jackfield_core.services.spec import SegmentCreate, SegmentUpdate


class CreateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request for a segment."""

    network_id: Uuid
    network_type: Text
    physical_network: Text | None = None
    segmentation_id: Number | None = None
    name: Text | None = None
    description: Text | None = None

    def spec(self, _ctx: RequestContext) -> SegmentCreate:
        """Return what the segment service is asked for."""
        return SegmentCreate(
            network_id=self.network_id.lower(),
            spec=segment_spec(self.network_type, self.physical_network, self.segmentation_id),
            name=self.name or "",
            description=self.description or "",
        )


class UpdateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request to change a segment."""

    name: Text | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET

    def spec(self) -> SegmentUpdate:
        """Return what the segment service is asked for."""
        return SegmentUpdate(
            name="" if self.name is None else self.name,
            description="" if self.description is None else self.description,
        )


class SegmentOut(Struct, frozen=True):
    """A segment as operators see it; *dynamic* if bindings brought it into being, and it goes with the last of them."""

    id: str
    network_id: str
    network_type: str
    physical_network: str | None
    segmentation_id: int | None
    name: str
    description: str
    dynamic: bool = field(name="jackfield:dynamic")
    revision_number: int
    created_at: str
    updated_at: str


def render(segment: Segment) -> SegmentOut:
    """Return a segment as operators see it."""
    return SegmentOut(
        segment.id,
        segment.network_id,
        segment.network_type,
        segment.physical_network,
        segment.segmentation_id,
        segment.name,
        segment.description,
        segment.is_dynamic,
        segment.revision_number,
        moment(segment.created_at),
        moment(segment.updated_at),
    )
