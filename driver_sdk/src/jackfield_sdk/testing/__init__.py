"""Test a driver or an agent the way it runs: over a real socket, called as the core calls it.

`running(driver)` serves a driver in this process and gives a `Core` to call it with. `ScriptedCore`
is the other half, a node service that pushes what a test tells it to an agent. The factories
(`a_network()`, `a_port()`) make complete values of which a test names only what it is about.
"""

from jackfield_sdk.testing._views import NetworkChange
from jackfield_sdk.testing.core import Core, Failed, Wanted, running
from jackfield_sdk.testing.factories import (
    a_host,
    a_network,
    a_network_view,
    a_port,
    a_port_view,
    a_segment,
    a_subnet,
    an_agent,
)
from jackfield_sdk.testing.node_core import Push, ScriptedCore
from jackfield_sdk.testing.recorder import Call, RecordingAgent, RecordingDriver

__all__ = [
    "Call",
    "Core",
    "Failed",
    "NetworkChange",
    "Push",
    "RecordingAgent",
    "RecordingDriver",
    "ScriptedCore",
    "Wanted",
    "a_host",
    "a_network",
    "a_network_view",
    "a_port",
    "a_port_view",
    "a_segment",
    "a_subnet",
    "an_agent",
    "running",
]
