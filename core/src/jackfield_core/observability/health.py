"""What a load balancer and a supervisor ask: alive, ready, and the numbers.

*Alive* means that the process answers at all. *Ready* means that it can serve
requests: the database answers (that it has the schema of this release was
checked at the start). Drivers do not count, because the core serves with every
driver down; they are listed so that a person sees them, and
``/readyz?drivers=all`` waits for them too.
"""

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Check = Callable[[], Awaitable[str]]
"""Returns an empty text if all is well, or a sentence for the operator."""


def routes(
    checks: Mapping[str, Check], drivers: Callable[[], Mapping[str, str]], refresh: Callable[[], Awaitable[None]]
) -> list[Route]:
    """Return ``/healthz``, ``/readyz`` and ``/metrics``; *refresh* brings the numbers up to date."""

    async def healthz(_request: Request) -> Response:
        return _json(200, {"status": "ok"})

    async def readyz(request: Request) -> Response:
        problems = {name: text for name, check in checks.items() if (text := await check())}
        if request.query_params.get("drivers") == "all":
            problems |= {name: state for name, state in drivers().items() if state != "ready"}
        body = {"status": "not ready" if problems else "ok", "problems": problems, "drivers": dict(drivers())}
        return _json(503 if problems else 200, body)

    async def metrics(_request: Request) -> Response:
        await refresh()
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


def _json(status: int, body: object) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
