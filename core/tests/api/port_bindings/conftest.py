"""A core whose driver binds on every host but one, and the port of a server."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from jackfield_core import config
from jackfield_core.app import Application
from jackfield_sdk import ServerSettings, start_server
from support.several_bindings import Fabric, server_on


@pytest.fixture
async def fabric(tmp_path: Path) -> AsyncIterator[Fabric]:
    """Serve the driver."""
    fabric = Fabric()
    server = await start_server(fabric, ServerSettings(listen=f"unix://{tmp_path}/f.sock"))
    yield fabric
    await server.stop()


@pytest.fixture
def settings(settings: config.Settings, fabric: Fabric, tmp_path: Path) -> config.Settings:
    """Configure the driver, and deliver to it."""
    driver = config.Driver(name="fabric", endpoint=f"unix://{tmp_path}/f.sock")
    patient = config.Mechanism(handshake_timeout=30, precommit_budget=30, bind_timeout=30, bind_budget=60)
    return settings.model_copy(update={"roles": ["api", "dispatcher"], "drivers": [driver], "mechanism": patient})


@pytest.fixture
async def application(application: Application) -> Application:
    """Wait until the driver takes calls."""
    await application.drivers_ready(30)
    return application


@pytest.fixture
async def port(api: Any) -> Any:
    """Create the port of a server on host "source"."""
    network = await api.create("network")
    return await api.create("port", **server_on("source", network["id"]))
