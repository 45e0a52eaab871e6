"""`ReconcileService`: what is on the backends, and what would be done to them.

A listing that ends without an error is complete but for the backends it names as unreachable, so
a fault in the middle of it ends the stream with a status, never quietly.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import structlog
from jackfield.driver.v1 import change_pb2, reconcile_pb2
from jackfield.driver.v1.reconcile_pb2_grpc import ReconcileServiceServicer

from jackfield_sdk._convert import decode, encode
from jackfield_sdk._servicer.deadlines import deadline_of
from jackfield_sdk._servicer.hooks import Hook, Hooks
from jackfield_sdk._servicer.process import Process
from jackfield_sdk._servicer.refusal import RpcContext, refusal_of, refused, streamed
from jackfield_sdk.answers import Line, Owned, Unreachable
from jackfield_sdk.errors import DriverError, Rejected
from jackfield_sdk.reasons import CallReason

log = structlog.get_logger("jackfield_sdk")

# Resources in one message of a listing: large enough to be cheap, far below the message limit.
_PAGE = 500


class ReconcileService(ReconcileServiceServicer):
    """Lists and compares through the hooks of one driver."""

    def __init__(self, process: Process, hooks: Hooks) -> None:
        self._process = process
        self._hooks = hooks
        self._list_owned = hooks.find("list_owned")
        self._diff = hooks.find("diff")

    @property
    def driver_name(self) -> str:
        """The domain of refusals."""
        return self._process.driver.name

    @streamed
    async def ListOwned(  # noqa: N802
        self,
        request: reconcile_pb2.ListOwnedRequest,
        context: RpcContext,
    ) -> AsyncIterator[reconcile_pb2.ListOwnedResponse]:
        """List in pages, as fast as they are read."""
        with self._process.admit():
            hook = _implemented(self._list_owned, "list_owned")
            kinds = frozenset(decode.KINDS[kind] for kind in request.kinds if kind in decode.KINDS)
            if request.kinds and not kinds:
                return
            async for page in self._pages(hook, kinds):
                yield reconcile_pb2.ListOwnedResponse(
                    owned=[encode.owned(each) for each in page if isinstance(each, Owned)],
                    unreachable=[encode.unreachable(each) for each in page if isinstance(each, Unreachable)],
                )

    @streamed
    async def Diff(  # noqa: N802
        self,
        request: reconcile_pb2.DiffRequest,
        context: RpcContext,
    ) -> AsyncIterator[reconcile_pb2.DiffResponse]:
        """Compare one change after the other."""
        with self._process.admit(len(request.changes)):
            hook = _implemented(self._diff, "diff")
            decoder = decode.Decoder(deadline_of(context), self._process.custody.declared.names)
            for index, change in enumerate(request.changes):
                lines = await self._compare(hook, decoder, change, f"changes[{index}]")
                for backend, texts in _by_backend(lines).items():
                    yield reconcile_pb2.DiffResponse(kind=change.kind, id=change.id, lines=texts, backend=backend)

    async def _compare(
        self, hook: Hook, decoder: decode.Decoder, change: change_pb2.Change, field: str
    ) -> Sequence[str | Line]:
        kind, action = decode.KINDS.get(change.kind), decode.ACTIONS.get(change.action)
        if kind is None or action is None:
            message = f"kind {change.kind} is not served by this driver"
            raise refused(CallReason.UNSUPPORTED, message, field=f"{field}.kind")
        try:
            context = decoder.change(kind, action, change)
        except decode.Malformed as error:
            raise refused(CallReason.MALFORMED, f"malformed change: {error}", field=field) from None
        lines: Iterable[str | Line] = await self._ask(hook, context)
        # A generator does its work, and blocks, while it is read.
        return lines if isinstance(lines, list) else await self._hooks.in_thread(list, lines)

    async def _pages(self, hook: Hook, argument: object) -> AsyncIterator[list[Owned | Unreachable]]:
        found = await self._ask(hook, argument)
        try:
            if isinstance(found, AsyncIterator) or hasattr(found, "__aiter__"):
                async for page in _async_pages(aiter(found)):
                    yield page
                return
            rest: Iterator[Owned | Unreachable] = iter(found)
            # A generator does its work, and blocks, while it is read.
            while page := await self._hooks.in_thread(_take_page, rest):
                yield page
        except (DriverError, Rejected) as error:
            raise refusal_of(error) from None

    async def _ask(self, hook: Hook, argument: object) -> Any:
        try:
            return await self._hooks.call(hook, argument)
        except (DriverError, Rejected) as error:
            raise refusal_of(error) from None


async def _async_pages(found: AsyncIterator[Owned | Unreachable]) -> AsyncIterator[list[Owned | Unreachable]]:
    page: list[Owned | Unreachable] = []
    async for each in found:
        page.append(each)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page


def _by_backend(lines: Iterable[str | Line]) -> dict[str, list[str]]:
    """Return the texts of a dry run by backend; one without lines is a text for no backend that is empty."""
    found: dict[str, list[str]] = {}
    for line in lines:
        told = line if isinstance(line, Line) else Line(line)
        found.setdefault(told.backend, []).append(told.text)
    return found or {"": []}


def _take_page(rest: Iterable[Owned | Unreachable]) -> list[Owned | Unreachable]:
    return list(islice(rest, _PAGE))


def _implemented(hook: Hook | None, name: str) -> Hook:
    if hook is None:
        raise refused(CallReason.NOT_SERVED, f"this driver has no {name}")
    return hook
