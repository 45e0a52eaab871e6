"""What an answer of a compute service means for each event."""

import json
from typing import Any

import pytest
from jackfield_core.notify.answer import BatchRefused, NoAnswer, Verdict, read
from jackfield_core.notify.difference import Event

EVENTS = [Event("network-vif-plugged", f"server-{number}", f"port-{number}") for number in range(5)]


def answered(*codes: int, **more: Any) -> bytes:
    """Return a body with a code for each of the first events."""
    events = [
        {"name": event.name, "server_uuid": event.server, "tag": event.tag, "status": "completed", "code": code, **more}
        for event, code in zip(EVENTS, codes, strict=False)
    ]
    return json.dumps({"events": events}).encode()


def test_each_event_has_its_own_answer() -> None:
    """Accepted, gone, refused and unknown codes stand side by side; an event that is not answered is unknown."""
    answers = read(207, answered(200, 404, 422, 500), None, EVENTS)

    assert [answers[event].verdict for event in EVENTS] == [
        Verdict.ACCEPTED, Verdict.GONE, Verdict.REFUSED, Verdict.UNKNOWN, Verdict.UNKNOWN,
    ]  # fmt: skip
    assert [answers[event].code for event in EVENTS] == [200, 404, 422, 500, 0]


def test_of_two_answers_the_worse_counts() -> None:
    """An event that is both accepted and refused is not done."""
    once, again = json.loads(answered(422)), json.loads(answered(200))
    body = json.dumps({"events": once["events"] + again["events"]}).encode()

    assert read(207, body, None, EVENTS[:1])[EVENTS[0]].verdict is Verdict.REFUSED


def test_answers_to_events_that_nobody_told_are_ignored() -> None:
    """What is answered besides changes nothing."""
    answers = read(200, answered(200, 200), None, EVENTS[:1])

    assert {*answers} == {EVENTS[0]}


def test_no_such_server_at_all_is_gone() -> None:
    """The words of older releases for a request of which no server exists are an answer."""
    body = b'{"itemNotFound": {"code": 404, "message": "No instances found for any event"}}'

    assert {answer.verdict for answer in read(404, body, None, EVENTS).values()} == {Verdict.GONE}


@pytest.mark.parametrize(
    ("code", "body", "reason"),
    [
        (200, b"", "garbage"),
        (200, b"<html>", "garbage"),
        (200, b"{}", "garbage"),
        (207, b'{"events": [{"name": 1}]}', "garbage"),
        (200, answered(200, code="200"), "garbage"),
        (200, answered(10**80), "garbage"),
        (200, answered(-1), "garbage"),
        (200, b"[" * 100_000, "garbage"),
        (401, b"", "unauthorized"),
        (403, b'{"forbidden": {"message": "no"}}', "forbidden"),
        (404, b'{"itemNotFound": {"message": "The resource could not be found."}}', "not_found"),
        (404, b"<html>", "not_found"),
        (302, b"", "http_302"),
        (429, b"{}", "http_429"),
        (500, b'{"computeFault": 7}', "http_500"),
        (503, b"\xff\xfe", "http_503"),
    ],
)
def test_what_is_no_answer_says_why(code: int, body: bytes, reason: str) -> None:
    """Whatever leaves open what became of events has a word for the ledger and a sentence for people."""
    with pytest.raises(NoAnswer) as raised:
        read(code, body, None, EVENTS)

    assert raised.value.reason == reason
    assert 0 < len(raised.value.text) < 500


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("999999999999", 300.0),
        ("9" * 400, 300.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("-1", None),
        (None, None),
    ],
)
def test_a_pause_that_is_asked_for_is_heeded_within_reason(header: str | None, seconds: float | None) -> None:
    """Seconds are taken up to five minutes; a date and nonsense are not."""
    with pytest.raises(NoAnswer) as raised:
        read(503, b"", header, EVENTS)

    assert raised.value.retry_after == seconds


def test_what_a_fault_says_is_one_line_of_reasonable_length() -> None:
    """Control characters, which no database or no terminal takes, are replaced, and long words cut."""
    fault = {"computeFault": {"message": "a\x00b\nc\x1b[2J" + "d" * 10_000}}

    with pytest.raises(NoAnswer) as raised:
        read(500, json.dumps(fault).encode(), None, EVENTS)

    assert raised.value.text.isprintable()
    assert "a\ufffdb\ufffdc\ufffd[2J" in raised.value.text
    assert len(raised.value.text) < 400


@pytest.mark.parametrize("code", [400, 413, 422])
def test_a_request_can_be_refused_as_a_whole(code: int) -> None:
    """The fault's own words reach the operator."""
    with pytest.raises(BatchRefused, match="is not a 'uuid'") as raised:
        read(code, b'{"badRequest": {"message": "\'x\' is not a \'uuid\'"}}', None, EVENTS)

    assert raised.value.code == code
