"""The comparison after every group: what the driver lists is what it acknowledged, and nothing else.

A few resources, the residents, are made at the first comparison and live to the end of the run. No
case touches them, so one that is lost or changed was hit by something that was meant for another.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jackfield_sdk.conformance.core import Core
from jackfield_sdk.conformance.rules import case


def listing_after(group: str) -> Callable[..., None]:
    """Make the case that compares the listing after a group."""

    @case(
        "G1",
        "listing-equals-model",
        "What is listed is what was acknowledged, by kind, id, revision and digest, and nothing that was deleted.",
        "ReconcileService, ListOwned",
        needs=("list_owned", "postcommit"),
    )
    async def test(core: Core, after: str) -> None:  # noqa: ARG001 - it names the case
        if not core.residents:
            await _settle_down(core)
        await core.expect_listing(whole=True)

    after: Callable[[Callable[..., None]], Callable[..., None]] = pytest.mark.parametrize("after", [f"after {group}"])
    return after(test)


async def _settle_down(core: Core) -> None:
    """Make the residents: one of each kind that the driver takes, changed twice."""
    for kind in core.facts.kinds("postcommit"):
        resource = await core.stand(kind)
        for _ in range(3):
            await core.settle(resource)
            resource.edit()
        resource.edit()
        await core.settle(resource)
    core.residents = list(core.made)
