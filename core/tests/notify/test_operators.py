"""Operators find what a notifier owes beside what drivers are owed, and no notifier among the drivers."""

from typing import Any

import pytest
from jackfield_core import config
from jackfield_core.context import RequestContext
from jackfield_core.db.delivery_state import DeliveryState
from jackfield_core.errors import Conflict
from jackfield_core.services.driver import DriverService

Site, Compute = Any, Any
ADMIN = RequestContext(is_admin=True)


@pytest.fixture
def operators(database: Any, wakings: list[Any]) -> DriverService:
    """Give the verbs of operators, on settings with a notifier and no driver."""
    notifier = config.Notifier(name="nova", url="http://127.0.0.1:1")
    return DriverService(database, config.Settings(notifiers=[notifier]), wakings.append)


async def test_a_notifier_is_no_driver(site: Site, operators: DriverService) -> None:
    """It is not among the drivers; its own name shows what it is owed, and what is about devices is refused."""
    await site.raise_(await site.port(await site.network()))

    assert await operators.list(ADMIN) == []
    detail = await operators.get(ADMIN, "nova")
    assert (detail.inspection.state, detail.lag.owed) == ("notifier", 1)
    for verb in (operators.resync, operators.release):
        with pytest.raises(Conflict, match="notifier"):
            await verb(ADMIN, "nova")


async def test_what_a_notifier_owes_is_shown(site: Site, operators: DriverService, compute: Compute) -> None:
    """How much it is, since when, and for each port why it is not told yet."""
    assert [(lag.driver, lag.owed) for lag in await operators.lag(ADMIN)] == [("nova", 0)]
    compute.behave = lambda _events: (401, {})
    port = await site.port(await site.network())
    await site.raise_(port)
    (row,) = await operators.pending(ADMIN, "nova", limit=10)
    assert (row.id, row.state) == (f"nova:port:{port.id}", DeliveryState.PENDING)

    await site.tell(compute)
    await site.until(port, reason="unauthorized")

    (row,) = await operators.pending(ADMIN, "nova", limit=10)
    assert (row.state, row.reason) == (DeliveryState.RETRYING, "unauthorized")
    assert "does not know the token" in row.message
    lag = await operators.lag(ADMIN, "nova")
    assert [(one.owed, one.failing) for one in lag] == [(1, 1)]


async def test_what_a_notifier_owes_can_be_tried_at_once(
    site: Site, operators: DriverService, compute: Compute, wakings: list[Any]
) -> None:
    """A refused event need not wait half an hour after somebody has mended the server."""
    port = await site.port(await site.network())
    compute.codes = {port.device_id: 422}
    await site.raise_(port)
    notifiers = await site.tell(compute)
    await site.until(port, disposition="infeasible")
    compute.codes = {}

    assert await operators.retry(ADMIN) == 1
    assert wakings[-1] == ["nova"]
    notifiers.wake(wakings[-1])

    await site.until_told()
    assert compute.told(port) == ["network-vif-plugged"]


async def test_what_a_notifier_owes_can_be_given_up(site: Site, operators: DriverService) -> None:
    """A compute service that is gone for good is owed nothing any more, and ends of ports neither."""
    network = await site.network()
    live, dead = await site.ports(network, 2)
    await site.raise_(live)
    await site.delete(dead)

    given = await operators.forget(ADMIN, "nova")

    assert (given.debts, given.ends) == (2, 1)
    assert await site.notices(owed=None) == []
    await site.lower(live)
    assert [row.resource_id for row in await site.notices()] == [live.id]
