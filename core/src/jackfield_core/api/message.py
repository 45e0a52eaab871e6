"""One request and one answer, as thin as they can be.

A request is made once, from the ASGI scope, and travels through the scope from
the front door (``access``) to the handler. Its body is read late: a route that
does not exist or takes no body costs no reading.
"""

from collections.abc import Sequence

from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from jackfield_core.context import RequestContext

SCOPE_KEY = "jackfield.request"
"""Where the request is found in the ASGI scope."""

JSON = (b"content-type", b"application/json")


class Request(Struct):
    """What a handler sees of a request.

    *route* is its path without ids, for metrics. *ids* are the ids in the path:
    that of the resource, and behind it that of a part of the resource.
    """

    ctx: RequestContext
    headers: dict[bytes, bytes]
    query_string: bytes
    root_url: str
    body: bytes = b""
    route: str = "other"
    ids: Sequence[str] = ()


class Answer(Struct, frozen=True):
    """What a handler answers: JSON, or nothing."""

    status: int
    body: bytes = b""
    headers: Sequence[tuple[bytes, bytes]] = ()

    async def send(self, send: Send) -> None:
        """Write the answer."""
        headers = [(b"content-length", str(len(self.body)).encode()), *self.headers]
        if self.body:
            headers.append(JSON)
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


NO_CONTENT = Answer(204)


def root_url(scope: Scope, headers: dict[bytes, bytes], public_url: str | None) -> str:
    """Return the URL that links start with, without a slash at the end."""
    if public_url:
        return public_url.rstrip("/")
    host = headers.get(b"host", b"localhost").decode("latin-1")
    return f"{scope.get('scheme', 'http')}://{host}"


async def read_body(headers: dict[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """Read the body of a request, of *limit* bytes at most.

    Raises:
        HTTPException: The body is too large (413), known by its length before
            it is read, or after *limit* bytes if the client names no length;
            or the length is no number (400).
        ClientDisconnect: The client went away.
    """
    length = headers.get(b"content-length", b"0")
    if not length.isdigit():
        raise HTTPException(400, "Invalid input for Content-Length.")
    # No body is longer than a number of 20 digits, and some numbers cost more to read than a body.
    if int(length[:20]) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return b"".join((*parts, part)) if parts else part
        parts.append(part)


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"The body is larger than {limit} bytes.")
