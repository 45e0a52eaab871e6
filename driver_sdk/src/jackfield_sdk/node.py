"""The node agent: a host kept true to what the core wants there.

The agent dials the core and says hello with what it holds already. The core pushes the
difference, the agent applies it and acknowledges. Views come one at a time and in order, networks
before their ports, so an agent needs no locks of its own. A view that fails is tried again by
the runner until it succeeds or is replaced, and blocks no other.

Losing the core changes nothing on the host. After `in_sync` the agent has been told of
everything it should hold, and may sweep what it owns and was not told of.
"""

from __future__ import annotations

from collections.abc import Mapping

from jackfield_sdk.reporter import Reporter
from jackfield_sdk.views import Facts, NetworkView, PortView, ViewKind


class NodeAgent:
    """Base of every node agent.

    `agent_type` and `binary` are what `/v2.0/agents` shows, as "Open vSwitch agent" and
    "jackfield-ovs". `driver` is the mechanism driver whose ports the agent wires.

    A method that cannot do its work raises `RetryLater` or `Infeasible`; the core is told the
    reason, and the runner goes on trying. Any other exception is a bug and only its kind is told.
    """

    agent_type: str
    binary: str
    driver: str
    version: str = "0"

    async def start(self, reporter: Reporter) -> None:
        """Get ready before the first connect: adopt what is there, and delete nothing."""

    async def stop(self) -> None:
        """Let go of what `start` took; leave the host as it is."""

    def facts(self) -> Facts:
        """Tell what this host can do; asked at every connect."""
        return Facts()

    def known(self) -> Mapping[tuple[ViewKind, str], str]:
        """Return the views that were adopted from an earlier process, as (kind, id) to version.

        Nothing is always a right answer: the core then pushes everything. What this process
        applied itself is remembered by the runner.
        """
        return {}

    async def apply_network(self, view: NetworkView) -> None:
        """Make the host carry a network; called again for every new version of the view."""

    async def apply_port(self, view: PortView) -> None:
        """Wire a port, and report its state now or once it is observed."""

    async def remove_port(self, port_id: str) -> None:
        """Unwire a port; one that is not there is removed."""

    async def remove_network(self, network_id: str) -> None:
        """Stop carrying a network, after its last port; one that is not there is removed."""

    async def in_sync(self) -> None:
        """Hear that every view was pushed: from now on sweeping is allowed."""
