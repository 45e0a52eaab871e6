"""What operators are told of a delivery, and what a process hears of its drivers."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from jackfield_core.context import RequestContext
from jackfield_core.db.base import now
from jackfield_core.db.delivery_state import Doubt, Hearing
from jackfield_core.db.driver_audit import UnreachableBackend
from jackfield_core.db.query import ListQuery
from jackfield_core.db.status import Delivery
from jackfield_core.errors import Forbidden, NotFound
from jackfield_core.mechanism import record
from jackfield_core.mechanism.answers import Backend
from jackfield_core.services.hearing import heard, hearing
from jackfield_core.services.spec import NetworkCreate
from jackfield_core.services.status import status_of
from jackfield_core.types import Kind
from msgspec.structs import replace

AT = datetime(2026, 11, 21, 12, 0, 0)
SINCE = AT - timedelta(hours=1)
IN_SYNC = Delivery(
    kind="port",
    resource_id="p1",
    driver="fabric",
    network_id="n1",
    desired_revision=3,
    acknowledged_revision=3,
    acknowledged_at=AT - timedelta(minutes=5),
    tombstone=False,
    orphan=False,
    owed=False,
    owed_since=None,
    due_at=AT - timedelta(minutes=6),
    leased_until=None,
    attempts=0,
    disposition="",
    reason="",
    message="",
    unreachable=None,
)
OWED = replace(IN_SYNC, owed=True, owed_since=SINCE, desired_revision=4, due_at=AT + timedelta(seconds=9))
FAILED = replace(OWED, attempts=2, disposition="retry", reason="DEVICE_BUSY", message="leaf1 is busy")
AWAY = Doubt("DRIVER_AWAY", "it is connecting: nobody listens", AT - timedelta(minutes=1))


def told(delivery: Delivery, hearing: Hearing | None) -> tuple[Any, ...]:
    found = status_of(delivery, {"fabric": hearing} if hearing else {}, AT)
    return found.state, found.reason, found.message, found.since, found.next_attempt


def test_what_is_in_sync_has_nothing_to_explain() -> None:
    """It is so since the driver acknowledged it, and nothing follows."""
    assert told(IN_SYNC, Hearing()) == ("in_sync", "", "", IN_SYNC.acknowledged_at, None)


def test_what_failed_says_why_since_when_and_what_follows() -> None:
    """In the driver's own words; while an attempt is under way no other is announced."""
    assert told(FAILED, Hearing()) == ("retrying", "DEVICE_BUSY", "leaf1 is busy", SINCE, FAILED.due_at)
    under_way = replace(FAILED, leased_until=AT + timedelta(seconds=30))
    assert told(under_way, Hearing())[4] is None
    abandoned = replace(FAILED, leased_until=AT - timedelta(seconds=30))
    assert told(abandoned, Hearing())[4] == FAILED.due_at


def test_silence_is_the_reason_of_what_is_unknown() -> None:
    """A driver that is away is tried again when it is back, and not at a time."""
    silent = Hearing(silence=AWAY)
    assert told(IN_SYNC, silent) == ("unknown", AWAY.reason, AWAY.message, AWAY.since, None)
    assert told(FAILED, silent) == ("unknown", AWAY.reason, AWAY.message, SINCE, None)
    assert told(IN_SYNC, None)[:2] == ("unknown", "DRIVER_NOT_CONFIGURED")


def test_backend_that_cannot_be_reached_is_named() -> None:
    """By the driver itself, or by its last audit; of four, three are enough to know."""
    backends = tuple(UnreachableBackend(f"leaf{number}", "no route" if number == 1 else "") for number in range(1, 5))
    unread = replace(IN_SYNC, unreachable=backends)

    assert told(unread, Hearing())[:3] == (
        "unknown",
        "BACKEND_UNREACHABLE",
        "the last audit could not read leaf1: no route, leaf2, leaf3 and 1 more",
    )
    assert told(unread, Hearing(is_audited=False))[0] == "in_sync"


def test_end_that_waits_for_a_silent_driver_says_so() -> None:
    """What blocks a VLAN from being used again stays visible as that."""
    ending = replace(OWED, tombstone=True)
    assert told(ending, Hearing(silence=AWAY))[:3] == ("ending", AWAY.reason, AWAY.message)
    failed = replace(ending, reason="DEVICE_BUSY", message="leaf1 is busy")
    assert told(failed, Hearing(silence=AWAY))[:3] == ("ending", "DEVICE_BUSY", "leaf1 is busy")


def test_orphan_waits_for_an_operator() -> None:
    """Whether or not its driver is heard of."""
    orphan = replace(IN_SYNC, orphan=True, tombstone=True, acknowledged_at=None)
    for one in (Hearing(), Hearing(silence=AWAY)):
        assert told(orphan, one)[:2] == ("held", "ORPHAN")


async def test_deliveries_of_resources_are_in_the_order_of_drivers(services: Any, ctx: RequestContext) -> None:
    """Those of the settings first; every resource that was asked for is there."""
    (tree,) = await services.networks.create_bulk(ctx, [NetworkCreate(project_id="p")])
    id = tree.network.id

    found = await services.status.of_resources(ctx, Kind.NETWORK, [id, "elsewhere"])

    assert [(one.delivery.driver, one.state, one.id) for one in found[id]] == [
        ("loopback", "pending", f"loopback:network:{id}")
    ]
    assert found["elsewhere"] == []
    assert (await services.status.get(ctx, f"loopback:network:{id}")).delivery.resource_id == id


async def test_only_administrators_are_told(services: Any) -> None:
    """Others have no deliveries, and cannot find out whether there are any."""
    user = RequestContext(is_admin=False)
    (tree,) = await services.networks.create_bulk(user, [NetworkCreate(project_id="p")])

    with pytest.raises(Forbidden):
        await services.status.list(user, ListQuery())
    with pytest.raises(NotFound):
        await services.status.get(user, f"loopback:network:{tree.network.id}")
    assert await services.status.of_resources(user, Kind.NETWORK, [tree.network.id]) == {tree.network.id: []}


async def test_driver_that_answers_is_heard(registry: Any) -> None:
    """Nothing is in doubt; a notifier is never silent, its failures speak for themselves."""
    assert heard(registry, ["nova"]) == {"loopback": Hearing(is_audited=True), "nova": Hearing(is_audited=False)}


async def test_quarantine_and_absence_are_silence(registry: Any) -> None:
    """Each with its reason, and since when."""
    entry = registry.entry("loopback")
    before = now()
    entry.recalled(record.quarantined(entry.known(), "it lies", before))
    silence = hearing(entry).silence
    assert silence is not None
    assert (silence.reason, silence.since) == ("DRIVER_QUARANTINED", before)
    assert "it lies" in silence.message

    entry.recalled(record.released(entry.record))
    await registry.stop()
    silence = hearing(entry).silence
    assert silence is not None
    assert silence.reason == "DRIVER_AWAY"
    assert silence.since is not None
    assert silence.since >= before


async def test_backends_that_the_driver_cannot_reach_are_heard_of(registry: Any) -> None:
    """With their message, and since when the first one is down."""
    entry = registry.entry("loopback")
    entry.backends.note([Backend("leaf1", "1", "down", "no route"), Backend("leaf2", "1", "degraded", "slow")])

    unwell = hearing(entry).unwell

    assert unwell is not None
    assert (unwell.reason, unwell.message) == ("BACKEND_UNREACHABLE", "it cannot reach leaf1: no route")
    assert unwell.since == entry.backends.unwell["leaf1"].since


async def test_breaker_that_opens_is_silence_since_then(registry: Any) -> None:
    """A driver that takes calls and answers none cannot be asked either."""
    entry = registry.entry("loopback")
    assert entry.silent_since is None

    before = now()
    entry.gate._silent(entry.client)

    silence = hearing(entry).silence
    assert silence is not None
    assert silence.reason == "DRIVER_AWAY"
    assert silence.since is not None
    assert silence.since >= before
