"""Version discovery: how a client that knows only the endpoint finds ``/v2.0``."""

from collections.abc import Sequence

from starlette.types import Receive, Scope, Send

from jackfield_core.api.message import SCOPE_KEY, Answer, Request
from jackfield_core.api.view import encode

VERSION = "v2.0"


class Versions:
    """``/``: the versions of the API, of which there is one."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request: Request = scope[SCOPE_KEY]
        request.route = "/"
        version = {"id": VERSION, "status": "CURRENT", "links": [_link(f"{request.root_url}/{VERSION}/")]}
        await Answer(200, encode({"versions": [version]})).send(send)


class Root:
    """``/v2.0/``: the collections that there are."""

    def __init__(self, collections: Sequence[str]) -> None:
        self._collections = collections

    async def list(self, request: Request, _id: str) -> Answer:
        """Answer with all collections."""
        resources = [
            {
                "name": _singular(collection),
                "collection": collection,
                "links": [_link(f"{request.root_url}/{VERSION}/{collection}")],
            }
            for collection in self._collections
        ]
        return Answer(200, encode({"resources": resources}))


def _singular(collection: str) -> str:
    return f"{collection[:-3]}y" if collection.endswith("ies") else collection.removesuffix("s")


def _link(href: str) -> dict[str, str]:
    return {"rel": "self", "href": href}
