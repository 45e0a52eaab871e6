"""Vendor attributes between users and a driver that runs."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from jackfield_core import config
from jackfield_core.app import Application
from jackfield_sdk import Accepted, Attribute, Done, ServerSettings, start_server
from jackfield_sdk.resources import Kind
from jackfield_sdk.testing import RecordingDriver
from support.waiting import eventually

SECRET = "s3cret-of-the-vendor"
ATTRIBUTES = (
    Attribute(Kind.NETWORK, "colour", {"enum": ["red", "blue"]}),
    Attribute(Kind.NETWORK, "rack", {"type": "integer"}, read_only=True),
    Attribute(Kind.NETWORK, "login", {"type": "object"}, sensitive_paths=("/password",)),
)


class Fabric(RecordingDriver):
    """A driver with attributes of networks, that a test starts and stops."""

    name = "fabric"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.endpoint = f"unix://{path}"
        self.attributes = ATTRIBUTES
        self._server: Any = None

    async def up(self) -> None:
        """Listen, as a new process would."""
        self._server = await start_server(self, ServerSettings(listen=self.endpoint))

    async def down(self) -> None:
        """Be gone."""
        if self._server:
            await self._server.stop()
        self._server = None


@pytest.fixture
async def fabric(tmp_path: Path) -> AsyncIterator[Fabric]:
    """Start the driver."""
    fabric = Fabric(tmp_path / "f.sock")
    await fabric.up()
    yield fabric
    await fabric.down()


@pytest.fixture
def settings(settings: config.Settings, fabric: Fabric) -> config.Settings:
    """Configure the driver, and deliver to it."""
    return settings.model_copy(
        update={
            "roles": ["api", "dispatcher"],
            "drivers": [config.Driver(name="fabric", endpoint=fabric.endpoint)],
            "mechanism": config.Mechanism(handshake_timeout=30, precommit_budget=30, reconnect_interval=0.1),
        }
    )


@pytest.fixture
async def other(settings: config.Settings) -> AsyncIterator[Application]:
    """Run another process of the core, started first, that never reaches the driver."""
    drivers = [config.Driver(name="fabric", endpoint="unix:///nowhere/f.sock")]
    other = Application(settings.model_copy(update={"roles": ["api"], "drivers": drivers}))
    await other.start()
    yield other
    await other.stop()


@pytest.fixture
async def application(application: Application) -> Application:
    """Wait for the driver."""
    await application.drivers_ready(30)
    return application


async def test_driver_judges_and_sets_attributes(api: Any, application: Application, fabric: Fabric) -> None:
    """Precommit sees what the user gives, and what the driver sets there is in the answer."""
    fabric.script.answer("create_network_precommit", Accepted(attributes={"rack": 7}))
    network = await api.create("network", **{"fabric:colour": "red"})

    assert (network["fabric:colour"], network["fabric:rack"], network["revision_number"]) == ("red", 7, 1)
    await application.settled(60)
    (judged,) = fabric.script.called("create_network_precommit")
    (told,) = fabric.script.called("create_network_postcommit")
    assert (judged.attributes, told.attributes) == ({"colour": "red"}, {"colour": "red", "rack": 7})

    await api.update("network", network["id"], **{"fabric:colour": "blue"})
    (judged,) = fabric.script.called("update_network_precommit")
    assert judged.attributes == {"colour": "blue", "rack": 7}


async def test_refused_change_leaves_no_attribute(api: Any, application: Application, fabric: Fabric) -> None:
    """What the transaction would have written is gone with it."""
    network = await api.create("network", **{"fabric:colour": "red"})
    fabric.script.answer("update_network_precommit", Accepted(attributes={"rack": 7}))
    await api.update("network", network["id"], name="blue")
    fabric.script.answer("update_network_precommit", RuntimeError("a fault"))

    status, _, _ = await api.refused("PUT", f"networks/{network['id']}", json={"network": {"fabric:colour": "blue"}})

    assert status == 503
    shown = (await api.get(f"networks/{network['id']}"))["network"]
    assert (shown["fabric:colour"], shown["fabric:rack"]) == ("red", 7)


async def test_driver_that_goes_away_leaves_its_schemas(api: Any, application: Application, fabric: Fabric) -> None:
    """Users go on setting its attributes, and it hears of them when it is back."""
    network = await api.create("network")
    await application.settled(60)
    await fabric.down()
    await eventually(lambda: not application.registry.entry("fabric").is_ready)
    status, _, message = await api.refused("PUT", f"networks/{network['id']}", json={"network": {"fabric:colour": 1}})
    assert (status, "fabric:colour" in message) == (400, True)

    await fabric.up()
    await application.drivers_ready(30)
    fabric.script.answer("update_network_postcommit", Done(attributes={"rack": 8}))
    await api.update("network", network["id"], **{"fabric:colour": "red"})
    await application.settled(60)
    shown = (await api.get(f"networks/{network['id']}"))["network"]
    assert (shown["fabric:colour"], shown["fabric:rack"]) == ("red", 8)


async def test_another_process_learns_of_attributes_by_itself(
    other: Application, application: Application, api: Any
) -> None:
    """A process that cannot reach the driver takes its schemas from the database, soon after they are there."""
    network = await api.create("network", **{"fabric:colour": "red"})
    transport = httpx.ASGITransport(other.api)
    async with httpx.AsyncClient(transport=transport, base_url="http://other") as http:

        async def colour() -> Any:
            shown = (await http.get(f"/v2.0/networks/{network['id']}")).json()["network"]
            return shown.get("fabric:colour")

        assert await eventually(colour) == "red"


@pytest.fixture
def logged(capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """Read what is logged, but for the messages that the SDK shows, masked, when it is asked to debug."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    yield lambda: "".join(capfd.readouterr())
    structlog.reset_defaults()


async def test_secrets_reach_the_driver_and_no_log(
    logged: Callable[[], str], api: Any, application: Application, fabric: Fabric
) -> None:
    """The driver gets the value as it is; in answers and in what is logged, even of failures, it is not found."""
    fabric.script.answer("create_network_postcommit", RuntimeError("a fault"))
    network = await api.create("network", **{"fabric:login": {"user": "u", "password": SECRET}})
    await application.settled(60)

    assert network["fabric:login"] == {"user": "u", "password": "***"}
    told = fabric.script.called("create_network_postcommit")
    assert told[-1].attributes["login"]["password"] == SECRET
    written = logged()
    assert "delivery.failed" in written
    assert SECRET not in written


async def test_same_attribute_again_is_no_change(api: Any, application: Application, fabric: Fabric) -> None:
    """A value that is there already raises no revision, and the driver is not asked."""
    login = {"user": "admin", "password": SECRET}
    network = await api.create("network", **{"fabric:colour": "red", "fabric:login": login})

    again = {"fabric:colour": "red", "fabric:login": dict(reversed(login.items()))}
    assert await api.update("network", network["id"], **again) == network

    assert fabric.script.called("update_network_precommit") == []
    changed = await api.update("network", network["id"], **{**again, "fabric:colour": "blue"})
    assert (changed["fabric:colour"], changed["revision_number"]) == ("blue", 2)
