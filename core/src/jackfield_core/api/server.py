"""The API as one ASGI application.

Starlette serves the few fixed routes. Everything below ``/v2.0`` has the same
form: words and ids take turns, a collection, perhaps an id, and rarely a part of
what has that id. So one look into a table finds its handler; a list of patterns
tried one after the other would cost more than the rest of the layer. Like Neutron's, paths may end
in a slash or in ``.json``.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from jackfield_core import config
from jackfield_core.api import implementation_details
from jackfield_core.api.access import Access
from jackfield_core.api.agent import Agents
from jackfield_core.api.delivery import Deliveries
from jackfield_core.api.driver import Drivers
from jackfield_core.api.extension import Extensions
from jackfield_core.api.message import SCOPE_KEY, Request, read_body
from jackfield_core.api.network import Networks
from jackfield_core.api.port import Ports
from jackfield_core.api.port_binding import PortBindings
from jackfield_core.api.resource import Handler
from jackfield_core.api.segment import Segments
from jackfield_core.api.subnet import Subnets
from jackfield_core.api.version import VERSION, Root, Versions
from jackfield_core.extensions.base import Extension
from jackfield_core.extensions.catalogue import EXTENSIONS
from jackfield_core.services.services import Services
from jackfield_core.types import Kind

WITH_BODY = frozenset({"POST", "PUT"})
LONGEST_QUERY = 1 << 16
"""Bytes behind the question mark: enough for the ids of a thousand resources, too few for more
values than a database takes in one statement."""


class Collection(Protocol):
    """One kind of resource below ``/v2.0``."""

    @property
    def collection(self) -> str: ...
    @property
    def on_collection(self) -> Mapping[str, Handler]: ...
    @property
    def on_member(self) -> Mapping[str, Handler]: ...


def create_api(
    services: Services,
    settings: config.Settings,
    extensions: Sequence[Extension] = EXTENSIONS,
    *,
    extra_routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """Build the API on *services*; *extra_routes*, such as health checks, stand beside it."""
    page_limit = settings.api.page_limit
    drivers = Drivers(services.drivers)
    collections: list[Collection] = [
        Networks(services.networks, services.attributes[Kind.NETWORK], services.status, page_limit=page_limit),
        Subnets(services.subnets, services.attributes[Kind.SUBNET], services.status, page_limit=page_limit),
        Ports(services.ports, services.attributes[Kind.PORT], services.status, page_limit=page_limit),
        Segments(services.segments, page_limit=page_limit),
        Agents(services.agents, page_limit=page_limit),
        Deliveries(services.status, page_limit=page_limit),
        drivers,
        implementation_details.of_networks(services.implementation_details),
        implementation_details.of_ports(services.implementation_details),
        Extensions(extensions),
    ]
    parts = {drivers.collection: drivers.on_part, "ports": PortBindings(services.port_bindings).on_part}
    table = Table(collections, settings.api.max_body_bytes, parts)
    return Starlette(
        routes=[Route(f"/{VERSION}{{rest:path}}", table), Route("/", Versions(), methods=["GET"]), *extra_routes],
        middleware=[Middleware(Access, public_url=settings.api.public_url)],
        exception_handlers={HTTPException: _pass_on},
    )


class Endpoint(NamedTuple):
    """What answers at one kind of path."""

    route: str
    handlers: Mapping[str, Handler]


class Table:
    """ASGI application of everything below ``/v2.0``.

    *parts* are handlers by collection and part of a member, such as ``bindings/{host}``.
    """

    def __init__(
        self,
        collections: Sequence[Collection],
        max_body_bytes: int,
        parts: Mapping[str, Mapping[str, Mapping[str, Handler]]],
    ) -> None:
        self._max_body_bytes = max_body_bytes
        root = Root([one.collection for one in collections])
        self._root = Endpoint(f"/{VERSION}/", {"GET": root.list})
        paths = {one.collection: one.on_collection for one in collections}
        paths |= {f"{one.collection}/{{id}}": one.on_member for one in collections}
        for collection, by_part in parts.items():
            paths |= {f"{collection}/{{id}}/{part}": handlers for part, handlers in by_part.items()}
        self._endpoints = {
            _shape(path.split("/")): Endpoint(f"/{VERSION}/{path}", handlers) for path, handlers in paths.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request: Request = scope[SCOPE_KEY]
        endpoint, request.ids = self._find(scope["path_params"]["rest"])
        request.route = endpoint.route
        method = scope["method"]
        handler = endpoint.handlers.get(method)
        if handler is None:
            raise HTTPException(
                405,
                f"The method {method} is not allowed for this resource.",
                {"Allow": ", ".join(endpoint.handlers)},
            )
        if len(request.query_string) > LONGEST_QUERY:
            raise HTTPException(414, f"The query is longer than {LONGEST_QUERY} bytes.")
        if method in WITH_BODY:
            request.body = await read_body(request.headers, receive, self._max_body_bytes)
        answer = await handler(request, request.ids[0] if request.ids else "")
        await answer.send(send)

    def _find(self, path: str) -> tuple[Endpoint, Sequence[str]]:
        """Return the endpoint for what follows ``/v2.0``, and the ids in it."""
        start, *names = path.rstrip("/").removesuffix(".json").split("/")
        if not start and not names:
            return self._root, ()
        endpoint = self._endpoints.get(_shape(names))
        if start or endpoint is None:
            raise HTTPException(404)
        return endpoint, names[1::2]


def _shape(names: Sequence[str]) -> tuple[int, Sequence[str]]:
    """Return what paths of one kind have in common: their length, and every other name."""
    return len(names), tuple(names[0::2])


async def _pass_on(_request: StarletteRequest, error: Exception) -> Response:
    """Let what Starlette refuses go up to ``Access``, where all errors become answers."""
    raise error
