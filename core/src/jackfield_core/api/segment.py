"""Routes of segments."""

from jackfield_core.api import conditions
from jackfield_core.api.listing import Listing
from jackfield_core.api.resource import Resource
from jackfield_core.api.schemas import segment as schema
from jackfield_core.api.schemas.envelope import Envelope
from jackfield_core.api.view import View
from jackfield_core.db.segment import Segment, SegmentTable, table
from jackfield_core.services.segment import SegmentService
from jackfield_core.services.spec import SegmentCreate, SegmentUpdate


class Segments(Resource[SegmentCreate, SegmentUpdate, Segment]):
    """``/v2.0/segments``, one at a time."""

    def __init__(self, service: SegmentService, *, page_limit: int) -> None:
        view = View("segment", schema.render, schema.SegmentOut)
        shown = {name: column for name, column in SegmentTable.filters.items() if name in view.attributes}
        super().__init__(
            service,
            None,
            view=view,
            creation=Envelope("segment", schema.CreateBody, view.attributes, is_creation=True),
            change=Envelope("segment", schema.UpdateBody, view.attributes),
            listing=Listing(shown, conditions.of_timestamps(table), page_limit),
        )
