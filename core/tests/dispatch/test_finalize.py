"""The version in which a driver's states are written: pinned, kept over upgrade and rollback, and finalised."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from jackfield.driver.v1 import capability_pb2, change_pb2, mechanism_pb2
from jackfield_core import config
from jackfield_core.db.engine import Database
from jackfield_core.db.state import StateTable
from jackfield_core.services.finalize import NotFinalized, Outcome, finalize_driver
from jackfield_sdk import Done, DriverState, Infeasible
from jackfield_sdk.capabilities import StateVersions

NETWORKS = 5


class Release:
    """A driver of release *newest*, which reads every version since *oldest*.

    Its states are JSON with the name of the network, and in version 2 also with
    its length; a network called "odd" was stored in a way that nobody can read.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        driver.upgrade_state = self._upgrade

    async def up(self, newest: int, oldest: int = 1) -> None:
        """Start a process of a release in the place of the one before."""
        await self.driver.down()
        self.driver.version = f"{newest}.0"
        self.driver.state_versions = StateVersions(oldest, newest)
        await self.driver.up(max_batch=2)

    def remember(self, action: str = "create", calls: int = 1) -> None:
        """Have the next calls keep the name of their network."""
        self.driver.script.answer(f"{action}_network_postcommit", *[self._keep] * calls)

    def _keep(self, context: Any) -> Done:
        version = self.driver.write_state_version
        return Done(state=DriverState(version, encoded(context.current.name, version)))

    def _upgrade(self, kind: Any, id: str, state: DriverState, to_version: int) -> DriverState:
        name = json.loads(state.data)["name"]
        if name == "odd":
            raise Infeasible("nobody can read this")
        return DriverState(to_version, encoded(name, to_version))


def encoded(name: str, version: int) -> bytes:
    """Return what is kept of a network."""
    return json.dumps({"name": name} if version == 1 else {"name": name, "length": len(name)}).encode()


@pytest.fixture
async def release(scene: Any) -> Release:
    """Start release 1."""
    release = Release(await scene.driver("fabric", up=False))
    await release.up(1)
    return release


@pytest.fixture
def finalize(release: Release, database: Database) -> Callable[[], Any]:
    """Run what the command runs; return the outcome, and how far it was each time."""
    settings = config.Settings(
        drivers=[config.Driver(name="fabric", endpoint=release.driver.endpoint)],
        mechanism=config.Mechanism(handshake_timeout=30),
    )

    async def run() -> tuple[Outcome, list[tuple[int, int]]]:
        steps: list[tuple[int, int]] = []
        outcome = await finalize_driver(database, settings, "fabric", lambda *step: steps.append(step), settle=0)
        return outcome, steps

    return run


def serves(core: Any) -> str:
    """Return the version of the process that is called; empty if none is."""
    entry = core.registry.entry("fabric")
    return entry.handshake.version if entry.is_ready else ""


async def versions(core: Any) -> set[tuple[int, bytes]]:
    """Return all stored states."""
    async with core.unit_of_work.reading() as tables:
        found = await StateTable(tables.connection).list_other("fabric", 0, after=None, limit=1000)
    return {(state.version, state.data) for state in found}


async def upgraded(scene: Any, release: Release, *names: str) -> tuple[Any, list[Any]]:
    """Return a core with networks that release 1 knows, and that release 2 drives now."""
    core = await scene.core(release.driver, remembers=True)
    release.remember(calls=len(names))
    networks = [(await core.network(name=name)).network for name in names]
    await core.until_paid()
    await release.up(2)
    await scene.eventually(lambda: serves(core) == "2.0")
    return core, networks


async def test_upgrade_is_finalised_by_the_operator(scene: Any, release: Release, finalize: Any) -> None:
    """Until then the old version is written and the old release may come back; afterwards neither."""
    names = [f"net{number}" for number in range(NETWORKS)]
    core, networks = await upgraded(scene, release, *names)
    release.remember("update")
    await core.rename(networks[0], "renamed")
    await core.until_paid()
    before = {(1, encoded(name, 1)) for name in ("renamed", *names[1:])}
    assert await versions(core) == before

    for newest in (1, 2):
        await release.up(newest)
        await scene.eventually(lambda version=f"{newest}.0": serves(core) == version)

    outcome, steps = await finalize()
    assert (outcome.before, outcome.version, outcome.rewritten, outcome.kept) == (1, 2, NETWORKS, [])
    assert steps == [(0, 5), (2, 5), (4, 5), (5, 5)]
    assert await versions(core) == {(2, encoded(name, 2)) for name in ("renamed", *names[1:])}
    await scene.eventually(lambda: core.registry.entry("fabric").handshake.told_state_version == 2)

    release.remember("update")
    await core.rename(networks[1], "new")
    await core.until_paid()
    assert (2, encoded("new", 2)) in await versions(core)
    assert (await finalize())[0].rewritten == 0
    await release.up(1)
    await scene.eventually(lambda: "state" in core.registry.entry("fabric").reason)


async def test_answers_under_way_while_an_upgrade_is_finalised_are_right(
    scene: Any, release: Release, finalize: Any
) -> None:
    """A process of the core that knows nothing of it yet takes what the driver writes from then on."""
    core, (network,) = await upgraded(scene, release, "net")
    await finalize()

    release.remember("update")
    await core.rename(network, "new")
    await core.until_paid()

    assert await versions(core) == {(2, encoded("new", 2))}
    assert not core.registry.entry("fabric").record.garbage_at


async def test_state_that_cannot_be_read_is_kept(scene: Any, release: Release, finalize: Any) -> None:
    """It is told by name, keeps nothing else from being rewritten, and may be tried again."""
    core, networks = await upgraded(scene, release, "net", "odd", "other")

    for rewritten in (2, 0):
        outcome, _ = await finalize()
        assert outcome.rewritten == rewritten
        (kept,) = outcome.kept
        assert (kept.kind, kept.resource_id, kept.version) == ("network", networks[1].id, 1)
        assert "nobody can read this" in kept.reason
    assert await versions(core) == {(2, encoded("net", 2)), (1, encoded("odd", 1)), (2, encoded("other", 2))}


async def test_nothing_is_finalised_without_the_driver(scene: Any, release: Release, finalize: Any) -> None:
    """Only a process that serves can say what it writes; the database stays as it is."""
    with pytest.raises(NotFinalized, match="never introduced itself"):
        await finalize()
    core, _ = await upgraded(scene, release, "net")
    await release.driver.down()

    with pytest.raises(NotFinalized, match="serves"):
        await finalize()

    assert await versions(core) == {(1, encoded("net", 1))}
    async with core.unit_of_work.reading() as tables:
        assert (await tables.drivers.list())["fabric"].state_version == 1


async def test_state_of_another_version_is_garbage(scene: Any) -> None:
    """A driver that writes its newest version too early would leave no way back."""
    declares = {"features": ["states"], "state_version": capability_pb2.StateVersions(min_readable=1, writes=1)}
    fabric = await scene.raw_driver("a", declares=declares)

    async def answer(request: Any, _context: Any) -> Any:
        state = change_pb2.DriverState(version=2, data=b"too early")
        done = [
            mechanism_pb2.PostcommitResult(
                change_id=one.change_id, done=mechanism_pb2.Done(revision=one.revision, state=state)
            )
            for one in request.changes
        ]
        return mechanism_pb2.PostcommitResponse(results=done)

    fabric.answer = answer
    core = await scene.core(fabric, remembers=True)
    await core.network()

    async def failed() -> Any:
        return [debt for debt in await core.debts("a") if debt.attempts]

    (debt,) = await scene.eventually(failed)
    assert (debt.reason, debt.state) == ("GARBAGE", None)
