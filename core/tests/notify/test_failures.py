"""A compute service that fails in every way costs nothing but time, and operators see why."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from jackfield_core.notify import lane

Site, Compute = Any, Any


def garbage(_events: Any) -> bytes:
    return b"\x00\x01\x02 this is not HTTP\r\n\r\n"


def half_an_answer(_events: Any) -> bytes:
    return b'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"events": ['


def nothing(_events: Any) -> bytes:
    return b""


def too_much(_events: Any) -> Any:
    return 200, b" " * (2 << 20)


def endless_headers(_events: Any) -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200_000


def elsewhere(_events: Any) -> bytes:
    return b"HTTP/1.1 307 Elsewhere\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"


def bomb(_events: Any) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nzzzz"


NO_ANSWERS: list[tuple[Callable[[Any], Any], str]] = [
    (garbage, "unreachable"),
    (half_an_answer, "unreachable"),
    (nothing, "unreachable"),
    (endless_headers, "unreachable"),
    (bomb, "unreachable"),
    (too_much, "garbage"),
    (elsewhere, "http_307"),
    (lambda _: (200, b"<html>"), "garbage"),
    (lambda _: (200, {"events": []}), "unanswered"),
    (lambda _: (500, b"oops"), "http_500"),
    (lambda _: (503, {"fault": {"message": "\0\n"}}), "http_503"),
    (lambda _: (200, {"events": [{"name": "x", "server_uuid": "y", "code": 10**80}]}), "garbage"),
    (lambda _: (401, {"error": {"code": 401, "message": "The request requires authentication."}}), "unauthorized"),
    (lambda _: (403, {}), "forbidden"),
    (lambda _: (404, {"itemNotFound": {"message": "The resource could not be found."}}), "not_found"),
]


async def test_whatever_is_no_answer_is_told_again(site: Site, compute: Compute) -> None:
    """The ledger says why, and as soon as the compute service answers, it is told."""
    network = await site.network()
    await site.tell(compute)
    for behave, reason in NO_ANSWERS:
        port = await site.port(network)
        compute.behave = behave
        await site.raise_(port)

        row = await site.until(port, reason=reason)
        assert (row.owed, row.disposition) == (True, "unknown"), reason
        assert row.attempts > 0, reason
        assert row.message, reason

        compute.behave = compute.answer
        await site.until_told()
        assert compute.told(port) == ["network-vif-plugged"], reason


@pytest.mark.parametrize("answer", [nothing, lambda _: (200, {"events": []})], ids=["none", "half of one"])
async def test_what_was_heard_and_never_answered_is_put_right(site: Site, compute: Compute, answer: Any) -> None:
    """A port that went down again before the next attempt is told to be down, because it may be thought to be up."""

    def hear(events: Any) -> Any:
        compute.answer(events)
        return answer(events)

    port = await site.port(await site.network())
    compute.behave = hear
    notifiers = await site.tell(compute)
    await site.raise_(port)
    await site.until(port, disposition="unknown")
    await notifiers.stop()
    await site.lower(port)

    compute.behave = compute.answer
    await site.tell(compute)
    await site.until_told()

    assert compute.told(port)[0] == "network-vif-plugged"
    assert compute.told(port)[-1] == "network-vif-unplugged"


async def test_a_server_that_lost_its_port_while_nobody_answered_is_told_so(site: Site, compute: Compute) -> None:
    """Whoever may think that it has the port is told that it has not, before the one that has it now."""
    first, second, third = (str(uuid.uuid4()) for _ in range(3))
    port = await site.port(await site.network(), device_id=first)
    notifiers = await site.tell(compute)
    await site.raise_(port)
    await site.until_told()
    compute.behave = nothing
    moved = await site.update(port, device_id=second)
    await site.until(port, disposition="unknown")
    await notifiers.stop()
    await site.update(moved, device_id=third)

    compute.behave = compute.answer
    await site.tell(compute)
    await site.until_told()

    *others, last = [(event["name"], event["server_uuid"]) for event in compute.requests[-1]]
    lost = ("network-vif-unplugged", "network-changed")
    assert {server: tuple(name for name, of in others if of == server) for server in (first, second)} == {
        first: lost,
        second: lost,
    }
    assert last == ("network-vif-plugged", third)


async def test_nobody_is_told_what_was_over_before_anybody_could_hear_of_it(site: Site, compute: Compute) -> None:
    """A request that reached nobody leaves no doubt."""
    port = await site.port(await site.network())
    await compute.down()
    notifiers = await site.tell(compute)
    await site.raise_(port)
    await site.until(port, disposition="unknown")
    await notifiers.stop()
    await site.lower(port)

    await compute.up()
    await site.tell(compute)
    await site.until_told()

    assert compute.told(port) == []


async def test_a_compute_service_that_is_down_is_told_when_it_is_up(site: Site, compute: Compute) -> None:
    """Refused connections are tried again, and nothing is lost meanwhile."""
    await compute.down()
    port = await site.port(await site.network())
    await site.tell(compute)
    await site.raise_(port)
    await site.until(port, reason="unreachable")

    await compute.up()
    await site.until_told()

    assert compute.told(port) == ["network-vif-plugged"]


async def drip(_events: Any) -> AsyncIterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n"
    while True:
        yield b" "
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("behave", [lambda _: None, drip])
async def test_one_that_hangs_is_given_up_in_time(site: Site, compute: Compute, behave: Callable[[Any], Any]) -> None:
    """A request that is not answered, and one that is answered drop by drop, end at the time limit."""
    port = await site.port(await site.network())
    compute.behave = behave
    await site.raise_(port)
    await site.tell(compute, timeout=0.3)

    # Neither of the two ever ends by itself.
    row = await site.until(port, reason="timeout")
    assert "0.3 s" in row.message

    compute.behave = compute.answer
    await site.until_told()


async def test_one_that_is_away_is_left_alone_for_a_while(
    site: Site, compute: Compute, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much is owed, requests to a compute service that does not answer become rare."""
    monkeypatch.setattr(lane, "LONGEST_REST", 0.2)
    ports = await site.ports(await site.network(), 100)
    compute.behave = lambda _events: (503, {})
    await site.tell(compute, batch=1, dispatcher={"poll_interval": 0.01, "backoff_first": 0.2})
    begun = time.monotonic()
    await site.raise_(*ports)

    await site.eventually(lambda: len(compute.requests) >= 12)

    # Each pause is between nothing and 0.2 s; that eleven of them add up to so little happens once in forty million.
    assert time.monotonic() - begun > 0.2


async def test_events_have_answers_of_their_own(site: Site, compute: Compute) -> None:
    """Of one request some are accepted, some are for nobody any more, and the others stay owed with the reason."""
    network = await site.network()
    accepted, gone, refused, wrong, failed = ports = await site.ports(network, 5)
    compute.codes = {gone.device_id: 404, refused.device_id: 422, wrong.device_id: 400, failed.device_id: 500}
    await site.raise_(*ports)
    await site.tell(compute, dispatcher={"backoff_first": 0.05, "infeasible_retry": 600.0})

    slow = await site.until(refused, reason="http_422")
    assert slow.disposition == "infeasible"
    assert (await site.until(wrong, reason="http_400")).disposition == "infeasible"
    assert (await site.until(failed, reason="http_500")).disposition == "unknown"
    assert not (await site.notice(accepted)).owed
    assert not (await site.notice(gone)).owed
    assert (slow.due_at - slow.owed_since).total_seconds() > 500

    compute.codes = {}
    await site.eventually(lambda: compute.told(failed))
    assert compute.told(refused) == []
    assert compute.told(accepted) == ["network-vif-plugged"]


async def test_a_change_may_be_the_cure_of_a_refusal(site: Site, compute: Compute) -> None:
    """What waits in the slow lane is told at once when its port changes."""
    port = await site.port(await site.network())
    compute.codes = {port.device_id: 422}
    await site.raise_(port)
    await site.tell(compute)
    await site.until(port, disposition="infeasible")

    compute.codes = {}
    await site.readdress(port, "192.0.2.9")
    await site.until_told()

    assert compute.told(port) == ["network-changed", "network-vif-plugged"]


async def test_what_was_accepted_is_not_told_again(site: Site, compute: Compute) -> None:
    """Of several events of one port those behind a refused one wait, and those before it are done."""
    port = await site.port(await site.network())
    await site.raise_(port)
    await site.readdress(port, "192.0.2.9")

    def refuse_plugged(events: Any) -> Any:
        status, body = compute.answer([event for event in events if event["name"] == "network-changed"])
        return 207 if status else 0, {
            "events": [*body["events"], *({**e, "code": 500} for e in events if e["name"] != "network-changed")]
        }

    compute.behave = refuse_plugged
    await site.tell(compute)
    await site.until(port, reason="http_500")
    compute.behave = compute.answer
    await site.until_told()

    assert compute.told(port) == ["network-changed", "network-vif-plugged"]


async def test_one_event_that_spoils_requests_is_found_and_set_aside(site: Site, compute: Compute) -> None:
    """A request that is refused as a whole is divided, until the others are told and the one is refused."""
    ports = await site.ports(await site.network(), 20)
    bad = ports[7]

    def pick(events: Any) -> Any:
        if any(event["tag"] == bad.id for event in events):
            return 400, {"badRequest": {"message": "Invalid input for field/attribute server_uuid."}}
        return compute.answer(events)

    compute.behave = pick
    await site.raise_(*ports)
    await site.tell(compute)

    row = await site.until(bad, disposition="infeasible")
    assert "server_uuid" in row.message
    await site.eventually(lambda: all(compute.told(port) for port in ports if port is not bad))
    assert {tuple(compute.told(port)) for port in ports if port is not bad} == {("network-vif-plugged",)}


async def test_one_event_that_crashes_the_other_side_lets_the_others_pass(site: Site, compute: Compute) -> None:
    """What fails alone is tried more and more rarely, and nobody waits for it."""
    ports = await site.ports(await site.network(), 12)
    bad = ports[3]
    compute.behave = lambda events: (
        (500, b"") if any(event["tag"] == bad.id for event in events) else compute.answer(events)
    )
    await site.raise_(*ports)
    await site.tell(compute, dispatcher={"backoff_first": 0.02})

    await site.eventually(lambda: all(compute.told(port) for port in ports if port is not bad))

    assert (await site.notice(bad)).owed
    assert compute.told(bad) == []


async def test_an_outage_of_the_database_is_survived(site: Site, compute: Compute, outage: Any) -> None:
    """What was told while the database went away is written down when it is back, or told again."""
    port = await site.port(await site.network())
    seen, go = asyncio.Event(), asyncio.Event()

    async def wait_and_answer(events: Any) -> Any:
        seen.set()
        await go.wait()
        return compute.answer(events)

    compute.behave = wait_and_answer
    await site.raise_(port)
    await site.tell(compute)
    await seen.wait()
    with outage():
        go.set()
        await site.eventually(lambda: compute.told(port))
    await site.until_told()

    assert {*compute.told(port)} == {"network-vif-plugged"}
