"""Looks at a driver from outside, as an operator's command does: who listens at each address, and is he fit?

It introduces itself as the cores do, so that a driver hears nothing new, and
changes nothing: nobody takes over, nobody is drained, nothing is stored.
"""

import asyncio
from collections.abc import Sequence

from grpc_health.v1 import health_pb2
from jackfield.driver.v1 import driver_pb2
from msgspec import Struct

from jackfield_core import config
from jackfield_core.db.driver import DriverRecord
from jackfield_core.mechanism import handshake
from jackfield_core.mechanism.answers import Backend, Handshake, NoVerdict, Unfit
from jackfield_core.mechanism.client import HANDSHAKE, HEALTH, DriverClient
from jackfield_core.mechanism.mistrust import distrusted
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
    driver: config.Driver, record: DriverRecord | None, introduction: driver_pb2.HandshakeRequest, timeout: float
) -> list[Sight]:
    """Return what is seen at each address within *timeout* seconds; *record* is what the database holds."""
    request = handshake.told(introduction, record.state_version if record else None)
    return await asyncio.gather(*(_look_at(driver, address, record, request, timeout) for address in driver.addresses))


async def _look_at(
    driver: config.Driver,
    address: str,
    record: DriverRecord | None,
    request: driver_pb2.HandshakeRequest,
    timeout: float,
) -> Sight:
    try:
        introduced, drains = await _meet(driver, address, request, timeout)
    except NoVerdict as error:
        silence = error.text if error.attempted else "nobody answers there"
        return Sight(address, "not reachable", await distrusted(error, address, driver.tls, timeout) or silence)
    except Unfit as error:
        return Sight(address, "unfit", str(error))
    return _sight(address, introduced, record, drains=drains)


async def _meet(
    driver: config.Driver, address: str, request: driver_pb2.HandshakeRequest, timeout: float
) -> tuple[Handshake, bool]:
    """Return how the process introduces itself, and whether it drains."""
    client = DriverClient(driver.name, address, driver.tls)
    try:
        introduced = handshake.read(driver.name, request, await client.call(HANDSHAKE, request, timeout))
        return introduced, await _drains(client, timeout)
    finally:
        await client.close()


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
