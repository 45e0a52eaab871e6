"""The five verbs that resources have in common: parse, call the service, render.

What differs between resources is said by a :class:`Schema`: the shapes of its
bodies, how a row is shown, and how lists are narrowed. Answers of whole lists
are encoded in one go from typed values; only a client that asks for certain
``fields`` makes us pick them one by one.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec
from msgspec import UNSET, Struct

from jackfield_core.api.faults import bad_request
from jackfield_core.api.listing import Listing, Page, read_fields, read_pairs
from jackfield_core.api.message import NO_CONTENT, Answer, Request
from jackfield_core.api.schemas.envelope import Envelope
from jackfield_core.context import RequestContext
from jackfield_core.db.query import ListQuery
from jackfield_core.errors import NotFound

RowT = TypeVar("RowT")
CreateT = TypeVar("CreateT")
UpdateT = TypeVar("UpdateT")
CreateIn = TypeVar("CreateIn", contravariant=True)
UpdateIn = TypeVar("UpdateIn", contravariant=True)
RowOut = TypeVar("RowOut", covariant=True)
SpecOut = TypeVar("SpecOut", covariant=True)

Handler = Callable[[Request, str], Awaitable[Answer]]
"""Answers one request; the text is the id in its path, empty for collections."""

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_REVISION = re.compile(rb"\s*revision_number=(\d{1,18})\s*")

encode = msgspec.json.Encoder().encode


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


class View(Generic[RowT]):
    """How rows of one kind are shown: ``{"port": …}`` and ``{"ports": […]}``.

    Args:
        name: Name of the resource on the wire.
        render: Turns a row into *shape*.
        shape: What users see of a row.
    """

    def __init__(self, name: str, render: Callable[[RowT], Struct], shape: type[Struct]) -> None:
        self.name = name
        self.collection = f"{name}s"
        self.attributes = {field.encode_name: field.name for field in msgspec.structs.fields(shape)}
        self._render = render

    def one(self, status: int, row: RowT, fields: Sequence[str] = ()) -> Answer:
        """Answer with one resource."""
        return Answer(status, encode({self.name: self._shown(self._render(row), fields)}))

    def many(self, status: int, rows: Sequence[RowT]) -> Answer:
        """Answer with several resources."""
        render = self._render
        return Answer(status, encode({self.collection: [render(row) for row in rows]}))

    def page(self, rows: Sequence[RowT], page: Page, request: Request) -> Answer:
        """Answer with a page, the fields that are wanted of it, and links to other pages."""
        if page.query.limit is None and not page.fields:
            return self.many(200, rows)
        shown = [self._render(row) for row in rows]
        body: dict[str, object] = {self.collection: [self._shown(one, page.fields) for one in shown]}
        if links := page.links(request, [one.id for one in shown]):  # type: ignore[attr-defined]
            body[f"{self.collection}_links"] = links
        return Answer(200, encode(body))

    def _shown(self, resource: Struct, fields: Sequence[str]) -> object:
        if not fields:
            return resource
        attributes = self.attributes
        picked = {name: getattr(resource, attributes[name]) for name in fields if name in attributes}
        return {name: value for name, value in picked.items() if value is not UNSET}


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
    ) -> None:
        self._service = service
        self._create_bulk = create_bulk
        self._view = view
        self._creation = creation
        self._change = change
        self._listing = listing
        self.name = view.name
        self.collection = view.collection
        self.on_collection: Mapping[str, Handler] = {"GET": self.list, "POST": self.create}
        self.on_member: Mapping[str, Handler] = {"GET": self.show, "PUT": self.update, "DELETE": self.delete}

    async def list(self, request: Request, _id: str) -> Answer:
        """Answer with one page of resources."""
        page = self._listing.page(request.query_string)
        rows = await self._service.list(request.ctx, page.query)
        return self._view.page(rows, page, request)

    async def create(self, request: Request, _id: str) -> Answer:
        """Create one resource, or several if the body has a list."""
        if self._create_bulk is None:
            body = self._creation.one(request.body)
            return self._view.one(201, await self._service.create(request.ctx, body.spec(request.ctx)))
        bodies, are_many = self._creation.one_or_many(request.body)
        specs = [body.spec(request.ctx) for body in bodies]
        if are_many:
            return self._view.many(201, await self._create_bulk(request.ctx, specs))
        return self._view.one(201, await self._service.create(request.ctx, specs[0]))

    async def show(self, request: Request, id: str) -> Answer:
        """Answer with one resource."""
        check_id(self.name, id)
        fields = read_fields(read_pairs(request.query_string)) if request.query_string else ()
        return self._view.one(200, await self._service.get(request.ctx, id), fields)

    async def update(self, request: Request, id: str) -> Answer:
        """Change one resource."""
        check_id(self.name, id)
        spec = self._change.one(request.body).spec()
        return self._view.one(200, await self._service.update(request.ctx, id, spec, expected_revision(request)))

    async def delete(self, request: Request, id: str) -> Answer:
        """Delete one resource."""
        check_id(self.name, id)
        await self._service.delete(request.ctx, id, expected_revision(request))
        return NO_CONTENT


def check_id(name: str, id: str) -> None:
    """Refuse what cannot be an id; clients ask for names in the place of ids before they search by name.

    Raises:
        NotFound: *id* is not a UUID.
    """
    if not _UUID.fullmatch(id):
        raise NotFound.of(name, id)


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
