"""A listing is what the driver owns, as far as its backends can be read."""

from __future__ import annotations

from typing import cast

import pytest
from jackfield.driver.v1 import change_pb2, reconcile_pb2
from jackfield_sdk.conformance import listing
from jackfield_sdk.conformance.listing import Lister
from jackfield_sdk.conformance.verdict import Broken
from jackfield_sdk.conformance.wire import Wire

PORT = change_pb2.RESOURCE_KIND_PORT


class Answers:
    """Stands in for the wire, and answers one listing after the other; the last one for ever."""

    def __init__(self, *pages: reconcile_pb2.ListOwnedResponse) -> None:
        self.pages = list(pages)

    async def listed(self, method: str, request: object) -> list[reconcile_pb2.ListOwnedResponse]:
        return [self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]]


def lister_of(*pages: reconcile_pb2.ListOwnedResponse) -> Lister:
    """Return a lister that is given these pages."""
    return Lister(cast("Wire", Answers(*pages)))


def page(*ports: tuple[str, int], away: tuple[str, ...] = ()) -> reconcile_pb2.ListOwnedResponse:
    """Write a page with ports, each on its backend, and the backends that cannot be read."""
    return reconcile_pb2.ListOwnedResponse(
        owned=[reconcile_pb2.OwnedResource(kind=PORT, id="p", revision=revision, backend=at) for at, revision in ports],
        unreachable=[reconcile_pb2.Unreachable(backend=backend, reason="it is starting") for backend in away],
    )


async def test_a_backend_that_cannot_be_read_yet_is_waited_for() -> None:
    """What it holds is unknown meanwhile, not absent."""
    assert await lister_of(page(away=("leaf1",)), page(("leaf1", 3))).whole() == {("port", "p"): (3, b"")}


async def test_a_backend_that_stays_away_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One dead switch does not hold up every listing of a run."""
    monkeypatch.setattr(listing, "_BACK_WITHIN", 0.0)
    lister = lister_of(page(("leaf1", 3), away=("leaf2",)))
    first = await lister.whole()
    monkeypatch.setattr(listing, "_BACK_WITHIN", 3600.0)

    assert await lister.whole() == first == {("port", "p"): (3, b"")}


async def test_of_several_backends_the_one_that_is_behind_counts() -> None:
    """A port is as far as its slowest switch."""
    assert await lister_of(page(("leaf1", 3), ("leaf2", 2))).whole() == {("port", "p"): (2, b"")}


async def test_what_is_listed_twice_on_one_backend_breaks_the_rule_of_listings() -> None:
    """Whichever case meets it."""
    with pytest.raises(Broken) as broken:
        await lister_of(page(("leaf1", 3), ("leaf1", 3))).whole()

    assert broken.value.rule == "G3"
