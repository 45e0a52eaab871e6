"""What a driver says that it would do."""

from typing import Any

import pytest
from jackfield.driver.v1 import capability_pb2
from jackfield_core.audit import preview, subject
from jackfield_core.audit.compare import compare
from jackfield_core.mechanism.answers import NoVerdict
from jackfield_core.types import Kind

STRANGER = "5c0a6f1e-0000-4000-8000-000000000001"


async def _shown(core: Any, samples: Any) -> dict[str, tuple[str, list[str]]]:
    seen = preview.preview(core.database, core.subject(), samples, agent_down_time=75)
    return {each.id: (each.backend, list(each.lines)) async for each in seen}


async def test_findings_are_shown_as_they_would_be_repaired(scene: Any) -> None:
    """Each difference comes with what would be done on which backend; nothing is done."""
    driver = await scene.driver()
    core = await scene.core(driver)
    _, (lost, spoiled, *_) = await core.world()
    driver.lose(lost)
    driver.spoil(spoiled)
    driver.keep(Kind.NETWORK, STRANGER)
    before, held = len(driver.told), dict(driver.held)

    findings = await core.compare()

    assert await _shown(core, preview.samples(findings.found)) == {
        lost: ("switch-1", ["add port"]),
        spoiled: ("switch-1", ["change port"]),
        STRANGER: ("switch-1", ["remove network"]),
    }
    assert (len(driver.told), driver.held) == (before, held)


async def test_debts_are_shown_as_they_would_be_paid(scene: Any) -> None:
    """What a driver has yet to do is shown too: a change, and an end."""
    driver = await scene.driver()
    core = await scene.core(driver)
    tree, _ = await core.world(1)
    other = (await core.network()).network
    await core.until_paid()
    driver.refuses = True
    await core.rename(tree.network, "new")
    await core.delete(other)

    assert await _shown(core, await preview.owed(core.database, "a")) == {
        tree.network.id: ("switch-1", ["change network"]),
        other.id: ("switch-1", ["remove network"]),
    }


async def test_one_resource_is_shown_whether_anything_is_owed_or_not(scene: Any) -> None:
    """What is true has no lines, and what nobody told the driver of has no answer."""
    driver = await scene.driver()
    core = await scene.core(driver)
    _, (port, *_) = await core.world(1)

    assert await _shown(core, await preview.resource(core.database, "a", port)) == {port: ("switch-1", [])}
    driver.lose(port)
    assert await _shown(core, await preview.resource(core.database, "a", port)) == {port: ("switch-1", ["add port"])}
    assert await preview.resource(core.database, "a", STRANGER) == []


async def test_batches_are_no_larger_than_the_driver_takes(scene: Any) -> None:
    """A driver that takes few changes at once is shown few at once."""
    driver = await scene.driver(declares={"limits": capability_pb2.Limits(max_batch=2)})
    core = await scene.core(driver)
    _, ports = await core.world(5)
    driver.lose(*ports)
    findings = await core.compare()

    assert len(await _shown(core, preview.samples(findings.found))) == 5


async def test_driver_that_cannot_compare_is_not_asked(scene: Any) -> None:
    """Without the feature there is no call."""
    core = await scene.core(await scene.driver(features=["list_owned"]))

    with pytest.raises(NoVerdict, match="does not tell what it would do"):
        await _shown(core, [])


async def test_visitor_sees_what_the_cores_see(scene: Any) -> None:
    """A command that has no core around it asks the process that serves, and nobody takes over."""
    driver = await scene.driver()
    core = await scene.core(driver)
    _, (lost, *_) = await core.world()
    driver.lose(lost)

    async with subject.visit(core.database, core.settings.drivers[0], core.settings) as visited:
        findings = await compare(core.database, visited, agent_down_time=75)

    assert [finding.resource_id for finding in findings.found] == [lost]


async def test_visitor_finds_nobody_where_nobody_serves(scene: Any) -> None:
    """A driver that is away, or that never was there, cannot be asked."""
    driver = await scene.driver()
    core = await scene.core(driver)
    await driver.down()

    with pytest.raises(NoVerdict, match="no process serves"):
        async with subject.visit(core.database, core.settings.drivers[0], core.settings):
            pass
