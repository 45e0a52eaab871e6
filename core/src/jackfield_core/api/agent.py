"""Routes of node agents: they appear by reporting, so nothing creates them here."""

from collections.abc import Mapping, Sequence

from jackfield_core.api.listing import Listing, read_fields, read_pairs
from jackfield_core.api.message import NO_CONTENT, Answer, Request
from jackfield_core.api.resource import Handler, read_id
from jackfield_core.api.schemas import agent as schema
from jackfield_core.api.schemas.envelope import Envelope
from jackfield_core.api.schemas.values import flag
from jackfield_core.api.view import View
from jackfield_core.db.agent import AgentTable
from jackfield_core.services.agent import AgentService, AgentView


class Agents:
    """``/v2.0/agents``."""

    name = "agent"
    collection = "agents"

    def __init__(self, service: AgentService, *, page_limit: int) -> None:
        self._service = service
        self._view = View(self.name, schema.render, schema.AgentOut)
        self._change = Envelope(self.name, schema.UpdateBody, self._view.attributes)
        self._listing = Listing(AgentTable.filters, {}, page_limit, elsewhere=("alive",))
        self.on_collection: Mapping[str, Handler] = {"GET": self.list}
        self.on_member: Mapping[str, Handler] = {"GET": self.show, "PUT": self.update, "DELETE": self.delete}

    async def list(self, request: Request, _id: str) -> Answer:
        """Answer with one page of agents; ``alive`` is no column, the service knows it."""
        page = self._listing.page(request.query_string, request.ctx)
        asked = {flag("alive", value) for name, value in page.pairs if name == "alive"}
        alive = asked.pop() if len(asked) == 1 else None
        shapes = self._view.shapes(await self._service.list(request.ctx, page.query, alive), request.ctx)
        return self._view.page(shapes, page, request)

    async def show(self, request: Request, id: str) -> Answer:
        """Answer with one agent."""
        id = read_id(self.name, id)
        fields = read_fields(read_pairs(request.query_string)) if request.query_string else ()
        return self._one(request, await self._service.get(request.ctx, id), fields)

    async def update(self, request: Request, id: str) -> Answer:
        """Change one agent."""
        id = read_id(self.name, id)
        spec = self._change.one(request.body).body.spec()
        return self._one(request, await self._service.update(request.ctx, id, spec))

    async def delete(self, request: Request, id: str) -> Answer:
        """Forget one agent."""
        id = read_id(self.name, id)
        await self._service.delete(request.ctx, id)
        return NO_CONTENT

    def _one(self, request: Request, agent: AgentView, fields: Sequence[str] = ()) -> Answer:
        return self._view.one(200, self._view.shapes([agent], request.ctx)[0], fields)
