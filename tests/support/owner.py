"""A driver on a socket whose devices a test holds in its hand.

It speaks the wire itself, because no SDK would let it lose what it holds, or
break off in the middle of a listing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from jackfield.driver.v1 import capability_pb2, change_pb2, driver_pb2, mechanism_pb2, reconcile_pb2
from jackfield_core.mechanism import translate
from jackfield_core.types import Kind


async def _nothing() -> None:
    """Do nothing."""


async def _no_more() -> AsyncIterator[None]:
    """Tell nothing."""
    nothing: tuple[None, ...] = ()
    for each in nothing:
        yield each


class Held(NamedTuple):
    """What a device holds of one resource."""

    revision: int
    digest: bytes
    backend: str = "switch-1"


_METHODS = {
    "Handshake": driver_pb2.HandshakeRequest,
    "GetSchemas": driver_pb2.GetSchemasRequest,
    "Postcommit": mechanism_pb2.PostcommitRequest,
    "Check": health_pb2.HealthCheckRequest,
}
_STREAMS = {"ListOwned": reconcile_pb2.ListOwnedRequest, "Diff": reconcile_pb2.DiffRequest}
_ACTIONS = [change_pb2.ACTION_CREATE, change_pb2.ACTION_UPDATE, change_pb2.ACTION_DELETE]


class Owner(grpc.GenericRpcHandler):
    """A driver that keeps what it is told in *held*, by kind and id, where a test may put in its hand."""

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.endpoint = f"unix://{path}"
        self.features = ["list_owned", "diff"]
        self.actions = list(_ACTIONS)
        self.epoch = "1"
        self.declares: dict[str, Any] = {}
        self.schemas: list[driver_pb2.AttributeSchema] = []
        self.sets: dict[str, bytes] = {}
        """Attributes that it sets on every resource."""
        self.held: dict[tuple[Kind, str], list[Held]] = {}
        self.places = ["switch-1"]
        """Backends on which it makes everything."""
        self.unlisted: set[Kind] = set()
        """Kinds that leave nothing on its devices."""
        self.unreachable: list[reconcile_pb2.Unreachable] = []
        self.has_dry_runs = True
        """Whether a dry run comes to its end."""
        self.dry_runs = 0
        self.breaks_with: grpc.StatusCode | None = None
        """How a listing ends after its first half."""
        self.before_listing = self.in_listing = _nothing
        """Awaited before a listing looks at the devices, and after it has looked, before it tells."""
        self.in_mid_listing: Callable[[], AsyncIterator[None]] = _no_more
        """Iterated between the halves of a listing: it tells a page without resources for each turn."""
        self.is_deaf = False
        """True if it answers no health check."""
        self.checks = 0
        self.refuses = False
        """True if it fails at everything that it is told."""
        self.told: list[Any] = []
        """Changes so far, in order."""
        self.listings = 0
        self._server: grpc.aio.Server | None = None

    async def up(self) -> None:
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((self,))
        self._server.add_insecure_port(self.endpoint)
        await self._server.start()

    async def down(self) -> None:
        if self._server is not None:
            await self._server.stop(0)
            self._server = None

    def lose(self, *ids: str) -> None:
        """Lose resources, as if somebody had removed them by hand."""
        for key in [key for key in self.held if key[1] in ids]:
            del self.held[key]

    def spoil(self, id: str, digest: bytes = b"", *, revision: int | None = None) -> None:
        """Change a resource, as if somebody had done it by hand."""
        for key, (held, *_) in self.held.items():
            if key[1] == id:
                self.held[key] = [Held(held.revision if revision is None else revision, digest)]

    def keep(self, kind: Kind, id: str, revision: int = 7) -> str:
        """Have something that nobody knows; return its id."""
        self.held[kind, id] = [Held(revision, b"d" * 32)]
        return id

    def service(self, details: Any) -> Any:
        rpc = details.method.rpartition("/")[2]
        if rpc in _STREAMS:
            return grpc.unary_stream_rpc_method_handler(getattr(self, f"_{rpc.lower()}"))
        if rpc not in _METHODS:
            return None

        async def handle(raw: bytes, _context: Any) -> bytes:
            answer: Message = await getattr(self, f"_{rpc.lower()}")(_METHODS[rpc].FromString(raw))
            return answer.SerializeToString()

        return grpc.unary_unary_rpc_method_handler(handle)

    async def _listowned(self, raw: bytes, context: Any) -> AsyncIterator[bytes]:
        self.listings += 1
        await self.before_listing()
        kinds = {translate.KIND_OF[kind] for kind in reconcile_pb2.ListOwnedRequest.FromString(raw).kinds} or {*Kind}
        owned = [
            reconcile_pb2.OwnedResource(kind=translate.KINDS[kind], id=id, **held._asdict())
            for (kind, id), everywhere in self.held.items()
            for held in everywhere
            if kind in kinds - self.unlisted
        ]
        await self.in_listing()
        half = len(owned) // 2
        yield reconcile_pb2.ListOwnedResponse(owned=owned[:half]).SerializeToString()
        async for _ in self.in_mid_listing():
            yield reconcile_pb2.ListOwnedResponse().SerializeToString()
        if self.breaks_with is not None:
            await context.abort(self.breaks_with, "as told")
        page = reconcile_pb2.ListOwnedResponse(owned=owned[half:], unreachable=self.unreachable)
        yield page.SerializeToString()

    async def _diff(self, raw: bytes, context: Any) -> AsyncIterator[bytes]:
        self.dry_runs += 1
        if not self.has_dry_runs:
            await context.abort(grpc.StatusCode.INTERNAL, "as told")
        for change in reconcile_pb2.DiffRequest.FromString(raw).changes:
            kind = translate.KIND_OF[change.kind]
            lines = self._lines(kind, change)
            answer = reconcile_pb2.DiffResponse(kind=change.kind, id=change.id, lines=lines, backend="switch-1")
            yield answer.SerializeToString()

    def _lines(self, kind: Kind, change: Any) -> list[str]:
        held = self.held.get((kind, change.id))
        if change.action == change_pb2.ACTION_DELETE:
            return [f"remove {kind}"] if held else []
        if held is None:
            return [f"add {kind}"]
        wanted = [Held(change.revision, change.digest, place) for place in self.places]
        return [] if held == wanted else [f"change {kind}"]

    async def _check(self, _request: Any) -> Message:
        self.checks += 1
        if self.is_deaf:
            await asyncio.Event().wait()
        answer: Message = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
        return answer

    async def _getschemas(self, _request: Any) -> Message:
        return driver_pb2.GetSchemasResponse(digest=b"digest", schemas=self.schemas)

    async def _handshake(self, _request: Any) -> Message:
        return driver_pb2.HandshakeResponse(
            driver_name=self.name,
            driver_version="1",
            instance_id=str(id(self._server)),
            contract_major=1,
            features=self.features,
            interests=[
                capability_pb2.Interest(kind=kind, actions=self.actions, phases=[change_pb2.PHASE_POSTCOMMIT])
                for kind in translate.KINDS.values()
            ],
            backends=[capability_pb2.Backend(id="switch-1", epoch=self.epoch)],
            **self.declares,
        )

    async def _postcommit(self, request: Any) -> Message:
        self.told.extend(request.changes)
        return mechanism_pb2.PostcommitResponse(results=[self._result(change) for change in request.changes])

    def _result(self, change: Any) -> mechanism_pb2.PostcommitResult:
        if self.refuses:
            error = change_pb2.Error(disposition=change_pb2.DISPOSITION_INFEASIBLE, reason="AS_TOLD")
            return mechanism_pb2.PostcommitResult(change_id=change.change_id, failed=error)
        key = translate.KIND_OF[change.kind], change.id
        if change.action == change_pb2.ACTION_DELETE:
            self.held.pop(key, None)
        else:
            self.held[key] = [Held(change.revision, change.digest, place) for place in self.places]
        done = mechanism_pb2.Done(revision=change.revision, attributes=self.sets)
        return mechanism_pb2.PostcommitResult(change_id=change.change_id, done=done)
