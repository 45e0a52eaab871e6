"""Routes of the bindings of a port, ``/v2.0/ports/{id}/bindings``.

A port has few of them, so lists come whole, and are narrowed here.
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from jackfield_core.api.faults import bad_request
from jackfield_core.api.listing import Pairs, read_fields, read_pairs
from jackfield_core.api.message import NO_CONTENT, Answer, Request
from jackfield_core.api.resource import Handler, read_id
from jackfield_core.api.schemas import port_binding as schema
from jackfield_core.api.schemas.envelope import Envelope
from jackfield_core.api.view import View
from jackfield_core.services.port_binding import PortBinding, PortBindingService


class PortBindings:
    """What is below one port and concerns its bindings."""

    def __init__(self, service: PortBindingService) -> None:
        self._service = service
        self._view = View("binding", schema.render, schema.BindingOut)
        known = self._view.attributes
        self._creation = Envelope("binding", schema.CreateBody, known, is_creation=True)
        self._change = Envelope("binding", schema.UpdateBody, known)
        self.on_part: Mapping[str, Mapping[str, Handler]] = {
            "bindings": {"GET": self.list, "POST": self.create},
            "bindings/{host}": {"GET": self.show, "PUT": self.update, "DELETE": self.delete},
            "bindings/{host}/activate": {"PUT": self.activate},
        }

    async def list(self, request: Request, id: str) -> Answer:
        """Answer with the bindings of a port that match."""
        pairs = read_pairs(request.query_string)
        found = await self._service.list(request.ctx, read_id("port", id))
        shapes = [one for one in map(schema.render, found) if _matches(one, pairs)]
        return self._view.many(200, shapes) if not (fields := read_fields(pairs)) else self._picked(shapes, fields)

    async def create(self, request: Request, id: str) -> Answer:
        """Bind a port on one more host."""
        body = self._creation.one(request.body).body
        return self._one(201, await self._service.create(request.ctx, read_id("port", id), body.host, body.spec()))

    async def show(self, request: Request, id: str) -> Answer:
        """Answer with the binding on one host."""
        found = await self._service.get(request.ctx, read_id("port", id), _host(request))
        return self._one(200, found, read_fields(read_pairs(request.query_string)))

    async def update(self, request: Request, id: str) -> Answer:
        """Bind a port anew on a host."""
        id, host = read_id("port", id), _host(request)
        spec = self._change.one(request.body).body.spec(host)
        return self._one(200, await self._service.update(request.ctx, id, host, spec))

    async def activate(self, request: Request, id: str) -> Answer:
        """Move a port; what is in the body does not matter, and clients send this or that, or nothing.

        As an action, and unlike everything else, it answers without an envelope.
        """
        found = await self._service.activate(request.ctx, read_id("port", id), _host(request))
        return Answer(200, msgspec.json.encode(schema.render(found)))

    async def delete(self, request: Request, id: str) -> Answer:
        """Remove the binding on one host."""
        await self._service.delete(request.ctx, read_id("port", id), _host(request))
        return NO_CONTENT

    def _one(self, status: int, found: PortBinding, fields: Sequence[str] = ()) -> Answer:
        return self._view.one(status, schema.render(found), fields)

    def _picked(self, shapes: Sequence[schema.BindingOut], fields: Collection[str]) -> Answer:
        rows = [
            {name: value for name, value in msgspec.structs.asdict(one).items() if name in fields} for one in shapes
        ]
        return Answer(200, msgspec.json.encode({self._view.collection: rows}))


def _host(request: Request) -> str:
    return request.ids[1]


def _matches(one: schema.BindingOut, pairs: Pairs) -> bool:
    """Return whether a binding has, of each attribute that is asked about, one of the values."""
    asked: dict[str, list[str]] = {}
    for name, value in pairs:
        if name in schema.FILTERS:
            asked.setdefault(name, []).append(value)
        elif name != "fields":
            raise bad_request(f"['{name}'] is invalid attribute for filtering")
    return all(getattr(one, name) in values for name, values in asked.items())
