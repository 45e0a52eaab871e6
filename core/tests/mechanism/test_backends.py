"""Which backends of a driver are not well."""

import structlog
from jackfield_core.mechanism.answers import Backend
from jackfield_core.mechanism.backends import MOST, Backends


def a_backend(id: str, health: str) -> Backend:
    return Backend(id, "1", health, "")


def test_what_is_told_of_backends_is_remembered() -> None:
    """The last word on each counts, and since when it is so."""
    backends = Backends("fabric")
    assert backends.note([a_backend("b", "down"), a_backend("a", "down"), a_backend("c", "up")])
    since = backends.unwell["a"].since

    assert not backends.note([a_backend("a", "down")])
    assert backends.unwell["a"].since == since
    assert [one.backend.id for one in backends.down] == ["a", "b"]

    assert backends.note([a_backend("a", "degraded"), a_backend("b", "up")])
    assert backends.unwell["a"].since > since
    assert (backends.down, [*backends.unwell]) == ([], ["a"])


def test_introduction_is_complete() -> None:
    """A backend that the driver does not name any more is none; one of unknown health is not called unwell."""
    backends = Backends("fabric")
    backends.note([a_backend("a", "down"), a_backend("b", "down")])

    backends.introduced([a_backend("b", "down"), a_backend("c", "unknown")])

    assert [*backends.unwell] == ["b"]


def test_only_news_is_a_line_of_the_log() -> None:
    """The same state told again, by whatever way, is said once."""
    backends = Backends("fabric")
    with structlog.testing.capture_logs() as logs:
        backends.introduced([a_backend("a", "down")])
        backends.note([a_backend("a", "down")])
        backends.note([a_backend("a", "up")])

    assert [(line["log_level"], line["unwell"]) for line in logs] == [("warning", {"a": "down"}), ("info", {})]


def test_number_of_backends_is_bounded() -> None:
    """A driver that makes up backends costs no more than that."""
    backends = Backends("fabric")

    backends.note([a_backend(str(number), "down") for number in range(MOST + 5)])

    assert len(backends.unwell) == MOST
