"""The end of an upgrade through the API: begun in the request, and told of while it goes on in the background."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from jackfield_core import config
from jackfield_core.app import Application
from jackfield_core.services import finalization
from jackfield_core.services.finalize import finish
from jackfield_sdk import Done, DriverState, Infeasible, ServerSettings, start_server
from jackfield_sdk.capabilities import StateVersions
from jackfield_sdk.testing import RecordingDriver
from support.waiting import eventually

DEADLINE = 30.0


class Release(RecordingDriver):
    """A driver that keeps a state of each network, and reads those of all releases before."""

    name = "fabric"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.endpoint = f"unix://{path}"
        self.is_able = True
        self._server: Any = None

    async def up(self, version: int) -> None:
        """Serve as a release, in the place of the one before."""
        await self.down()
        self.version, self.state_versions = f"{version}.0", StateVersions(1, version)
        self._server = await start_server(self, ServerSettings(listen=self.endpoint))

    async def down(self) -> None:
        """Be gone."""
        if self._server is not None:
            await self._server.stop()
            self._server = None

    async def create_network_postcommit(self, context: Any) -> Done:
        return Done(state=DriverState(self.write_state_version, b"kept"))

    def upgrade_state(self, _kind: Any, _id: str, _state: DriverState, to_version: int) -> DriverState:
        if not self.is_able:
            raise Infeasible("nobody can read this")
        return DriverState(to_version, b"kept as well")


@pytest.fixture
async def release(tmp_path: Path) -> AsyncIterator[Release]:
    """Serve release 1."""
    release = Release(tmp_path / "f.sock")
    await release.up(1)
    yield release
    await release.down()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Rewrite states when a test opens the gate, and not after seconds that every process has to learn of it."""
    gate = asyncio.Event()

    async def gated(*arguments: Any, **options: Any) -> Any:
        await gate.wait()
        return await finish(*arguments, **{**options, "settle": 0.0})

    monkeypatch.setattr(finalization, "finish", gated)
    return gate


@pytest.fixture
def settings(database_url: str, release: Release) -> config.Settings:
    """Configure the driver, and a notifier."""
    return config.Settings(
        roles=["api", "dispatcher"],
        database=config.Database(url=database_url),
        mechanism=config.Mechanism(handshake_timeout=30, precommit_budget=30, reconnect_interval=0.1),
        drivers=[config.Driver(name="fabric", endpoint=release.endpoint, policy="advisory")],
        notifiers=[config.Notifier(name="nova", url="http://127.0.0.1:9")],
    )


@pytest.fixture
async def upgraded(api: Any, application: Application, release: Release) -> Any:
    """Return the API when release 1 has kept a state, and release 2 serves."""
    entry = application.registry.entry("fabric")
    await eventually(lambda: entry.is_ready)
    await api.create("network")
    await application.settled(DEADLINE)
    await release.up(2)
    await eventually(lambda: entry.is_ready and entry.handshake and entry.handshake.version == "2.0")
    return api


async def shown(api: Any) -> Any:
    """Return what the API tells of the driver."""
    return (await api.get("drivers/fabric"))["driver"]


async def ended(api: Any) -> Any:
    """Return the finalisation at its end, or None before."""
    found = (await shown(api))["finalization"]
    return found if found["outcome"] or found["failure"] else None


async def test_finalising_is_answered_before_its_end(upgraded: Any, gate: asyncio.Event) -> None:
    """With 202; asking again begins nothing new; in the end the driver is shown with what came of it."""
    assert (await shown(upgraded))["finalization"] is None

    for _ in range(2):
        answer = await upgraded.http.put("/v2.0/drivers/fabric/finalize")
        begun = answer.json()["finalization"]
        assert (answer.status_code, begun["before"], begun["version"], begun["outcome"]) == (202, 1, 2, None)
    assert (await shown(upgraded))["finalization"] == begun

    gate.set()
    found = await eventually(lambda: ended(upgraded))
    assert (found["seen"], found["total"], found["failure"]) == (1, 1, "")
    assert (found["outcome"]["rewritten"], found["outcome"]["kept"]) == (1, [])
    actions = [(one["action"], one["detail"]) for one in (await shown(upgraded))["actions"]]
    assert actions == [("finalized", "1 states rewritten, 0 not readable"), ("finalize", "from version 1 to 2")]


async def test_state_that_cannot_be_read_is_told_by_name(upgraded: Any, release: Release, gate: asyncio.Event) -> None:
    """It stays as it is, and the outcome says why."""
    release.is_able = False
    gate.set()

    await upgraded.http.put("/v2.0/drivers/fabric/finalize")

    found = await eventually(lambda: ended(upgraded))
    ((kept),) = found["outcome"]["kept"]
    assert (kept["kind"], kept["version"], "nobody can read this" in kept["reason"]) == ("network", 1, True)


async def test_driver_that_goes_away_meanwhile_is_told(upgraded: Any, release: Release, gate: asyncio.Event) -> None:
    """What was asked for has failed, with the reason, and may be asked for again."""
    await upgraded.http.put("/v2.0/drivers/fabric/finalize")
    await release.down()
    gate.set()

    found = await eventually(lambda: ended(upgraded))

    assert (found["outcome"], "fabric" in found["failure"]) == (None, True)
    assert (await upgraded.refused("PUT", "drivers/fabric/finalize"))[0] == 409


async def test_core_stops_while_an_upgrade_is_finalised(
    upgraded: Any, application: Application, gate: asyncio.Event
) -> None:
    """What goes on in the background is broken off, keeps nobody waiting, and may be asked for again."""
    await upgraded.http.put("/v2.0/drivers/fabric/finalize")

    await application.services.drivers.stop()

    assert "was stopped" in (await shown(upgraded))["finalization"]["failure"]
    gate.set()
    assert (await upgraded.http.put("/v2.0/drivers/fabric/finalize")).status_code == 202
    assert (await eventually(lambda: ended(upgraded)))["outcome"]["rewritten"] == 1


async def test_notifier_is_shown_and_not_taken_for_a_driver(api: Any) -> None:
    """What it is owed can be looked at under its name; what is about devices is a conflict that says so."""
    found = (await api.get("drivers/nova"))["driver"]
    refused = await api.refused("PUT", "drivers/nova/finalize")

    assert (found["state"], found["endpoints"], found["lag"]["owed"]) == ("notifier", [], 0)
    assert "compute service" in found["reason"]
    assert "nova" not in {one["name"] for one in await api.list("drivers")}
    assert (refused[0], "is a notifier" in refused[2]) == (409, True)
    assert (await api.refused("GET", "drivers/nova/diff"))[0] == 409
    assert (await api.refused("PUT", "drivers/nova/quarantine", json={"reason": "x"}))[0] == 409
