"""The front door: every request passes here on its way in, every answer on its way out.

It gives the request an id, turns whatever was raised into an answer, and
counts. Everything is counted under the route, never under the path: a label
per id would grow without end.
"""

from time import perf_counter

import structlog
from prometheus_client import Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jackfield_core.api import auth, faults
from jackfield_core.api.message import SCOPE_KEY, Request, root_url

log = structlog.get_logger()

LABELS = ("route", "method", "status")
REQUESTS = Counter("jackfield_http_requests", "Requests that the REST API has answered.", LABELS)
SECONDS = Histogram(
    "jackfield_http_request_seconds",
    "Time from the first byte of a request to the last of its answer.",
    LABELS,
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"})
CLIENT_GONE = 499
"""Status in metrics of a request whose client did not wait for the answer."""


class Access:
    """ASGI middleware around all routes."""

    def __init__(self, app: ASGIApp, public_url: str | None) -> None:
        self._app = app
        self._public_url = public_url
        self._meters: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        request = scope[SCOPE_KEY] = self._request(scope)
        request_id = (b"x-openstack-request-id", request.ctx.request_id.encode())
        structlog.contextvars.bind_contextvars(request_id=request.ctx.request_id)
        status = 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), request_id]
            await send(message)

        try:
            await self._app(scope, receive, note)
        except ClientDisconnect:
            log.debug("http.client_gone")
        except Exception as error:
            if status:
                raise  # half an answer is out already, nothing can be said any more
            await faults.answer(error).send(note)
        finally:
            self._count(request, scope["method"], status or CLIENT_GONE, perf_counter() - started)

    def _request(self, scope: Scope) -> Request:
        headers = dict(scope["headers"])
        return Request(
            auth.identify(headers), headers, scope["query_string"], root_url(scope, headers, self._public_url)
        )

    def _count(self, request: Request, method: str, status: int, seconds: float) -> None:
        key = (request.route, method if method in METHODS else "other", status)
        meters = self._meters.get(key)
        if meters is None:
            meters = self._meters[key] = (REQUESTS.labels(*key), SECONDS.labels(*key))
        meters[0].inc()
        meters[1].observe(seconds)
        log.debug("http.request", route=key[0], method=key[1], status=status, seconds=seconds)
