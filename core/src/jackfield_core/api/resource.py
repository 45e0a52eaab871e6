"""The five verbs that resources have in common: parse, call the service, render.

What differs between resources is said by a :class:`View`, by the shapes of its
bodies, and by how lists are narrowed.

How far drivers are with a resource is shown to administrators, with one resource
always, and in a list if they ask for it: it costs one query.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec import Struct

from jackfield_core.api.faults import bad_request
from jackfield_core.api.listing import Listing, read_fields, read_pairs
from jackfield_core.api.message import NO_CONTENT, Answer, Request
from jackfield_core.api.schemas import delivery
from jackfield_core.api.schemas.envelope import NO_VENDORS, Envelope, Opened, VendorNames
from jackfield_core.api.view import NO_OWN, Own, View, ids_of
from jackfield_core.context import RequestContext
from jackfield_core.db.query import ListQuery
from jackfield_core.errors import NotFound
from jackfield_core.services.attribute import AttributeService
from jackfield_core.services.status import StatusService
from jackfield_core.types import Kind

RowT = TypeVar("RowT")
CreateT = TypeVar("CreateT", bound=Struct)
UpdateT = TypeVar("UpdateT", bound=Struct)
SpecT = TypeVar("SpecT", bound=Struct)
CreateIn = TypeVar("CreateIn", contravariant=True)
UpdateIn = TypeVar("UpdateIn", contravariant=True)
RowOut = TypeVar("RowOut", covariant=True)
SpecOut = TypeVar("SpecOut", covariant=True)

Handler = Callable[[Request, str], Awaitable[Answer]]
"""Answers one request; the text is the id in its path, empty for collections."""

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_REVISION = re.compile(rb"\s*revision_number=(\d{1,18})\s*")


class Service(Protocol[CreateIn, UpdateIn, RowOut]):
    """What the verbs call."""

    def create(self, ctx: RequestContext, spec: CreateIn) -> Awaitable[RowOut]: ...
    def get(self, ctx: RequestContext, id: str) -> Awaitable[RowOut]: ...
    def list(self, ctx: RequestContext, query: ListQuery) -> Awaitable[Sequence[RowOut]]: ...
    def update(
        self, ctx: RequestContext, id: str, spec: UpdateIn, if_match: int | None = None
    ) -> Awaitable[RowOut]: ...
    def delete(self, ctx: RequestContext, id: str, if_match: int | None = None) -> Awaitable[None]: ...


class CreateBody(Protocol[SpecOut]):
    """A body that asks for a resource."""

    def spec(self, ctx: RequestContext, /) -> SpecOut: ...


class UpdateBody(Protocol[SpecOut]):
    """A body that asks for changes."""

    def spec(self) -> SpecOut: ...


class Deliveries(NamedTuple):
    """Where it is told how far drivers are with resources of one kind."""

    service: StatusService
    kind: Kind


class Resource(Generic[CreateT, UpdateT, RowT]):
    """One kind of resource and its verbs."""

    def __init__(
        self,
        service: Service[CreateT, UpdateT, RowT],
        create_bulk: Callable[[RequestContext, Sequence[CreateT]], Awaitable[Sequence[RowT]]] | None,
        *,
        view: View[RowT],
        creation: Envelope[CreateBody[CreateT]],
        change: Envelope[UpdateBody[UpdateT]],
        listing: Listing,
        attributes: AttributeService | None = None,
        deliveries: Deliveries | None = None,
    ) -> None:
        self._service = service
        self._create_bulk = create_bulk
        self._view = view
        self._creation = creation
        self._change = change
        self._listing = listing
        self._attributes = attributes
        self._deliveries = deliveries
        self.name = view.name
        self.collection = view.collection
        self.on_collection: Mapping[str, Handler] = {"GET": self.list, "POST": self.create}
        self.on_member: Mapping[str, Handler] = {"GET": self.show, "PUT": self.update, "DELETE": self.delete}

    async def list(self, request: Request, _id: str) -> Answer:
        """Answer with one page of resources."""
        page = self._listing.page(request.query_string, request.ctx)
        shapes = self._view.shapes(await self._service.list(request.ctx, page.query), request.ctx)
        own = await self._own(request, shapes, page.fields)
        if delivery.ATTRIBUTE in page.fields:
            own = await self._with_deliveries(request, shapes, own)
        return self._view.page(shapes, page, request, own)

    async def create(self, request: Request, _id: str) -> Answer:
        """Create one resource, or several if the body has a list."""
        vendors = self._vendors(request, is_creation=True)
        if self._create_bulk is None:
            spec = self._creation_spec(request, self._creation.one(request.body, vendors))
            return await self._one(request, 201, await self._service.create(request.ctx, spec))
        opened, are_many = self._creation.one_or_many(request.body, vendors)
        specs = [self._creation_spec(request, one) for one in opened]
        if are_many:
            shapes = self._view.shapes(await self._create_bulk(request.ctx, specs), request.ctx)
            return self._view.many(201, shapes, await self._own(request, shapes))
        return await self._one(request, 201, await self._service.create(request.ctx, specs[0]))

    async def show(self, request: Request, id: str) -> Answer:
        """Answer with one resource."""
        id = read_id(self.name, id)
        fields = read_fields(read_pairs(request.query_string)) if request.query_string else ()
        shapes = self._view.shapes([await self._service.get(request.ctx, id)], request.ctx)
        own = await self._own(request, shapes, fields)
        if not fields or delivery.ATTRIBUTE in fields:
            own = await self._with_deliveries(request, shapes, own)
        return self._view.one(200, shapes[0], fields, own)

    async def update(self, request: Request, id: str) -> Answer:
        """Change one resource."""
        id = read_id(self.name, id)
        opened = self._change.one(request.body, self._vendors(request, is_creation=False))
        spec = self._given(opened.body.spec(), opened)
        return await self._one(
            request, 200, await self._service.update(request.ctx, id, spec, expected_revision(request))
        )

    async def delete(self, request: Request, id: str) -> Answer:
        """Delete one resource."""
        id = read_id(self.name, id)
        await self._service.delete(request.ctx, id, expected_revision(request))
        return NO_CONTENT

    async def _one(self, request: Request, status: int, row: RowT) -> Answer:
        shapes = self._view.shapes([row], request.ctx)
        return self._view.one(status, shapes[0], (), await self._own(request, shapes))

    async def _own(self, request: Request, shapes: Sequence[Struct], fields: Sequence[str] = ()) -> Own:
        """Return the attributes of vendors that are shown with resources."""
        if self._attributes is None or not self._attributes.names(request.ctx):
            return NO_OWN
        return await self._attributes.shown(request.ctx, ids_of(shapes), fields)

    async def _with_deliveries(self, request: Request, shapes: Sequence[Struct], own: Own) -> Own:
        """Add how far drivers are, for administrators."""
        if self._deliveries is None or not request.ctx.is_admin:
            return own
        service, kind = self._deliveries
        found = await service.of_resources(request.ctx, kind, ids_of(shapes))
        return {id: {**own.get(id, {}), delivery.ATTRIBUTE: delivery.parts(one)} for id, one in found.items()}

    def _vendors(self, request: Request, *, is_creation: bool) -> VendorNames:
        """Return the attributes of vendors that a request may name."""
        known = self._attributes.names(request.ctx) if self._attributes else ()
        if not (self._attributes and known):
            return NO_VENDORS
        return VendorNames(self._attributes.settable(request.ctx, is_creation=is_creation), known)

    def _creation_spec(self, request: Request, opened: Opened[CreateBody[CreateT]]) -> CreateT:
        return self._given(opened.body.spec(request.ctx), opened)

    def _given(self, spec: SpecT, opened: Opened[object]) -> SpecT:
        """Return *spec* with the attributes of vendors that came with it."""
        if not (self._attributes and opened.attributes):
            return spec
        return msgspec.structs.replace(spec, attributes=self._attributes.read(opened.attributes))


def read_id(name: str, id: str) -> str:
    """Return *id* as it is stored; clients ask for names in the place of ids before they search by name.

    Raises:
        NotFound: *id* is not a UUID.
    """
    if not _UUID.fullmatch(id):
        raise NotFound.of(name, id)
    return id.lower()


def expected_revision(request: Request) -> int | None:
    """Return the revision that the header ``If-Match: revision_number=N`` asks for, or None.

    Raises:
        Invalid: The header says something else.
    """
    header = request.headers.get(b"if-match")
    if header is None:
        return None
    match = _REVISION.fullmatch(header)
    if match is None:
        raise bad_request(f"Invalid input for If-Match. Reason: '{header.decode('latin-1')}' is not revision_number=N.")
    return int(match[1])
