"""Routes of extensions: what clients look up before they use a feature."""

from collections.abc import Mapping, Sequence

from jackfield_core.api.message import Answer, Request
from jackfield_core.api.resource import Handler
from jackfield_core.api.view import encode
from jackfield_core.errors import NotFound
from jackfield_core.extensions.base import Extension


class Extensions:
    """``/v2.0/extensions``; the answers never change, so they are made once."""

    collection = "extensions"

    def __init__(self, extensions: Sequence[Extension]) -> None:
        self._all = Answer(200, encode({"extensions": extensions}))
        self._by_alias = {one.alias: Answer(200, encode({"extension": one})) for one in extensions}
        self.on_collection: Mapping[str, Handler] = {"GET": self.list}
        self.on_member: Mapping[str, Handler] = {"GET": self.show}

    async def list(self, _request: Request, _id: str) -> Answer:
        """Answer with all extensions."""
        return self._all

    async def show(self, _request: Request, alias: str) -> Answer:
        """Answer with one extension."""
        if alias not in self._by_alias:
            raise NotFound(f"Extension with alias {alias} does not exist", type="HTTPNotFound")
        return self._by_alias[alias]
