"""Looks at a driver from outside, as an operator's command does: who listens at each address, and is he fit?

It introduces itself as the cores do, so that a driver hears nothing new, and
changes nothing: nobody takes over, nobody is drained, nothing is stored.
"""

import asyncio
from collections.abc import Sequence

from grpc_health.v1 import health_pb2
from jackfield.driver.v1 import driver_pb2
from msgspec import Struct

from jackfield_core.db.driver import DriverRecord
from jackfield_core.mechanism import handshake
from jackfield_core.mechanism.answers import Backend, Handshake, NoVerdict, Unfit
from jackfield_core.mechanism.client import HANDSHAKE, HEALTH, DriverClient
from jackfield_core.mechanism.record import expect_fit


class Sight(Struct, frozen=True):
    """What is seen at one address.

    *condition* is ``ready``, ``draining``, ``unfit`` (it answers and must not
    be called) or ``not reachable``; *reason* says why it is not ready.
    """

    endpoint: str
    condition: str
    reason: str = ""
    version: str = ""
    instance_id: str = ""
    writes_state_version: int | None = None
    serves: bool = False
    """True if the cores call this process."""
    backends: Sequence[Backend] = ()
    """Its devices or controllers by their ids, each as the process describes it at this moment."""


async def look(
    name: str,
    addresses: Sequence[str],
    record: DriverRecord | None,
    introduction: driver_pb2.HandshakeRequest,
    timeout: float,
) -> list[Sight]:
    """Return what is seen at each address within *timeout* seconds; *record* is what the database holds."""
    request = handshake.told(introduction, record.state_version if record else None)
    return await asyncio.gather(*(_look_at(name, address, record, request, timeout) for address in addresses))


async def _look_at(
    name: str, address: str, record: DriverRecord | None, request: driver_pb2.HandshakeRequest, timeout: float
) -> Sight:
    client = DriverClient(name, address)
    try:
        introduced = handshake.read(name, request, await client.call(HANDSHAKE, request, timeout))
        drains = await _drains(client, timeout)
    except NoVerdict as error:
        return Sight(address, "not reachable", error.text if error.attempted else "nobody answers there")
    except Unfit as error:
        return Sight(address, "unfit", str(error))
    finally:
        await client.close()
    return _sight(address, introduced, record, drains=drains)


async def _drains(client: DriverClient, timeout: float) -> bool:
    try:
        response = await client.call(HEALTH, health_pb2.HealthCheckRequest(), timeout)
    except NoVerdict as error:
        if error.code != "UNIMPLEMENTED":
            raise
        return False
    return bool(response.status == health_pb2.HealthCheckResponse.NOT_SERVING)


def _sight(address: str, introduced: Handshake, record: DriverRecord | None, *, drains: bool) -> Sight:
    condition, reason = ("draining", "it takes nothing new") if drains else ("ready", "")
    try:
        expect_fit(introduced, record)
    except Unfit as error:
        condition, reason = "unfit", str(error)
    versions = introduced.state_versions
    return Sight(
        address,
        condition,
        reason,
        introduced.version,
        introduced.instance_id,
        versions.writes if versions else None,
        serves=condition == "ready" and record is not None and record.instance_id == introduced.instance_id,
        backends=sorted(introduced.backends, key=lambda backend: backend.id),
    )
