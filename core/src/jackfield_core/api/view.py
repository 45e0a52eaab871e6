"""How resources are shown: one, several, or a page, in the envelope that Neutron's clients expect.

Answers of whole lists are encoded in one go from typed values; only a client
that asks for certain ``fields``, or a driver that adds attributes of its own,
makes us pick them one by one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec
from msgspec import UNSET, Struct

from jackfield_core.api.listing import Page
from jackfield_core.api.message import Answer, Request
from jackfield_core.context import RequestContext
from jackfield_core.services.attribute import Shown

RowT = TypeVar("RowT")

encode = msgspec.json.Encoder().encode

Own = Mapping[str, Shown]
"""Attributes that are not of the shape, such as those of vendors, by id of the resource."""
NO_OWN: Own = {}


class View(Generic[RowT]):
    """How rows of one kind are shown: ``{"port": …}`` and ``{"ports": […]}``.

    Args:
        name: Name of the resource on the wire.
        render: Turns a row into *shape*.
        shape: What users see of a row.
        collection: Name of several of them, if it is not the name with an "s".
        render_for_users: Turns a row into what those see of it who may not know of hosts, if that is less.
    """

    def __init__(
        self,
        name: str,
        render: Callable[[RowT], Struct],
        shape: type[Struct],
        *,
        collection: str = "",
        render_for_users: Callable[[RowT], Struct] | None = None,
    ) -> None:
        self.name = name
        self.collection = collection or f"{name}s"
        self.attributes = {field.encode_name: field.name for field in msgspec.structs.fields(shape)}
        self._render = render
        self._render_for_users = render_for_users or render

    def shapes(self, rows: Sequence[RowT], ctx: RequestContext) -> Sequence[Struct]:
        """Return rows as the caller sees them."""
        render = self._render if ctx.sees_hosts else self._render_for_users
        return [render(row) for row in rows]

    def one(self, status: int, shape: Struct, fields: Sequence[str] = (), own: Own = NO_OWN) -> Answer:
        """Answer with one resource; *own* are attributes that are not of its shape, by id."""
        return Answer(status, encode({self.name: self._picked(shape, fields, own)}))

    def many(self, status: int, shapes: Sequence[Struct], own: Own = NO_OWN) -> Answer:
        """Answer with several resources."""
        shown = [self._picked(shape, (), own) for shape in shapes] if own else shapes
        return Answer(status, encode({self.collection: shown}))

    def page(self, shapes: Sequence[Struct], page: Page, request: Request, own: Own = NO_OWN) -> Answer:
        """Answer with a page, the fields that are wanted of it, and links to other pages."""
        if page.query.limit is None and not page.fields:
            return self.many(200, shapes, own)
        body: dict[str, object] = {self.collection: [self._picked(one, page.fields, own) for one in shapes]}
        if links := page.links(request, ids_of(shapes)):
            body[f"{self.collection}_links"] = links
        return Answer(200, encode(body))

    def _picked(self, shape: Struct, fields: Sequence[str], own: Own) -> object:
        if not fields and not own:
            return shape
        attributes = self.attributes
        picked = {name: getattr(shape, attributes[name]) for name in fields or attributes if name in attributes}
        shown = {name: value for name, value in picked.items() if value is not UNSET}
        return {**shown, **own[shape.id]} if own else shown  # type: ignore[attr-defined]


def ids_of(shapes: Sequence[Struct]) -> Sequence[str]:
    """Return the ids of resources as users see them."""
    return [shape.id for shape in shapes]  # type: ignore[attr-defined]
