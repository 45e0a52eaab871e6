"""Routes of mechanism drivers, for administrators: looks are GET, what changes something is PUT.

A driver is named, not numbered: ``/v2.0/drivers/fabric/lag``. Bodies of actions
hold their arguments without an envelope, as those of Neutron's actions do.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from msgspec import Struct

from jackfield_core.api.faults import bad_request
from jackfield_core.api.listing import read_pairs
from jackfield_core.api.message import Answer, Request
from jackfield_core.api.resource import Handler, read_id
from jackfield_core.api.schemas import delivery, diagnosis
from jackfield_core.api.schemas import driver as schema
from jackfield_core.api.view import encode
from jackfield_core.services.driver import DriverService

BodyT = TypeVar("BodyT", bound=Struct)

PENDING_LIMIT = 1000
"""Debts in one answer, if the client names no ``limit``."""


class Drivers:
    """``/v2.0/drivers``, and what is below each of them."""

    name = "driver"
    collection = "drivers"

    def __init__(self, service: DriverService) -> None:
        self._service = service
        self.on_collection: Mapping[str, Handler] = {"GET": self.list}
        self.on_member: Mapping[str, Handler] = {"GET": self.show}
        self.on_part: Mapping[str, Mapping[str, Handler]] = {
            "lag": {"GET": self.lag},
            "pending": {"GET": self.pending},
            "diff": {"GET": self.diff},
            "resync": {"PUT": self.resync},
            "quarantine": {"PUT": self.quarantine},
            "release": {"PUT": self.release},
            "finalize": {"PUT": self.finalize},
            "forget": {"PUT": self.forget},
            "retry": {"PUT": self.retry},
        }

    async def list(self, request: Request, _id: str) -> Answer:
        """Answer with all drivers, as they answer themselves at this moment."""
        _options(request)
        found = await self._service.list(request.ctx)
        return _answer({"drivers": [schema.driver(one) for one in found]})

    async def show(self, request: Request, name: str) -> Answer:
        """Answer with all that there is to know of a driver."""
        _options(request)
        return _answer({"driver": schema.detail(await self._service.get(request.ctx, name))})

    async def lag(self, request: Request, name: str) -> Answer:
        """Answer with how far behind a driver is."""
        _options(request)
        (found,) = await self._service.lag(request.ctx, name)
        return _answer({"lag": schema.lag(found)})

    async def pending(self, request: Request, name: str) -> Answer:
        """Answer with what a driver is owed, ``limit`` debts at most."""
        limit = _options(request, "limit").get("limit", str(PENDING_LIMIT))
        most = PENDING_LIMIT * 10
        # Python refuses to read a number of thousands of digits.
        if not limit.isdecimal() or len(limit) > len(str(most)) or not 0 < int(limit) <= most:
            raise bad_request(f"Invalid input for limit. Reason: it is not from 1 to {most}.")
        found = await self._service.pending(request.ctx, name, limit=int(limit))
        return _answer({"pending": [delivery.render(one) for one in found]})

    async def diff(self, request: Request, name: str) -> Answer:
        """Answer with what differs on a driver's devices, or with ``id`` with what would be done for one resource."""
        id = _options(request, "id").get("id")
        if id is not None:
            read_id("resource", id)
        found = await self._service.diff(request.ctx, name, id)
        return _answer({"diff": schema.report(found)})

    async def resync(self, request: Request, name: str) -> Answer:
        """Ask for a comparison that repairs; answer with the last one before, because this one takes its time."""
        body = _body(request, schema.ResyncBody)
        asked = await self._service.resync(
            request.ctx, name, remove_orphans=body.remove_orphans, everything=body.everything
        )
        requested = {"requested": True, "agreed_orphans": asked.agreed_orphans}
        return _answer({**requested, "last_audit": schema.plain(asked.before)}, 202)

    async def quarantine(self, request: Request, name: str) -> Answer:
        """Forbid every call to a driver."""
        reason = _body(request, schema.QuarantineBody).reason
        await self._service.quarantine(request.ctx, name, reason)
        return _answer({"driver": name, "reason": reason})

    async def release(self, request: Request, name: str) -> Answer:
        """End the quarantine of a driver."""
        _body(request, schema.NoBody)
        reason = await self._service.release(request.ctx, name)
        return _answer({"driver": name, "released": reason is not None, "reason": reason})

    async def finalize(self, request: Request, name: str) -> Answer:
        """End the upgrade of a driver; answer before all states are rewritten, because that takes its time."""
        _body(request, schema.NoBody)
        return _answer({"finalization": schema.plain(await self._service.begin_finalize(request.ctx, name))}, 202)

    async def forget(self, request: Request, name: str) -> Answer:
        """Give up what a driver is owed."""
        body = _body(request, schema.DebtBody)
        given = await self._service.forget(request.ctx, name, body.kind or "", body.id or "")
        return _answer({"driver": name, **schema.plain(given)})

    async def retry(self, request: Request, name: str) -> Answer:
        """Make debts due now that wait for their next attempt."""
        body = _body(request, schema.DebtBody)
        return _answer(
            {"driver": name, "retried": await self._service.retry(request.ctx, name, body.kind or "", body.id or "")}
        )


def _answer(content: object, status: int = 200) -> Answer:
    return Answer(status, encode(content))


def _options(request: Request, *names: str) -> dict[str, str]:
    """Return what stands behind the question mark; anything but *names* is refused."""
    given = dict(read_pairs(request.query_string))
    if strange := [name for name in given if name not in names]:
        raise bad_request(f"{strange} is invalid attribute for filtering")
    return given


def _body(request: Request, shape: type[BodyT]) -> BodyT:
    """Read the arguments of an action; no body is the same as an empty one."""
    if b"\\u0000" in request.body:
        raise bad_request("Body contains invalid data: a NUL character")
    try:
        return msgspec.json.decode(request.body or b"{}", type=shape)
    except msgspec.ValidationError as error:
        raise bad_request(f"Invalid input for {request.route.rpartition('/')[2]}. Reason: {error}.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise diagnosis.unreadable(error) from None
