"""What an agent says after its hello: acknowledgements, and what it observes."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from jackfield.node.v1 import node_pb2

from jackfield_core.db.agent import Agent
from jackfield_core.db.port import WiringReport
from jackfield_core.errors import Invalid
from jackfield_core.nodes.hello import clean, neighbours_of
from jackfield_core.nodes.reports import Reports
from jackfield_core.nodes.stream import AgentStream
from jackfield_core.types import Wiring

_WIRINGS = {
    node_pb2.PORT_STATE_UP: Wiring.UP,
    node_pb2.PORT_STATE_DOWN: Wiring.DOWN,
    node_pb2.PORT_STATE_ERROR: Wiring.ERROR,
}
_ID_LENGTH = 36


class Conversation:
    """Takes what one agent says to where it belongs."""

    def __init__(self, agent: Agent, stream: AgentStream, reports: Reports) -> None:
        self._agent = agent
        self._stream = stream
        self._reports = reports

    async def hear(self, message: node_pb2.SyncRequest) -> None:
        """Take one message.

        Raises:
            Invalid: The agent does not keep to the contract.
        """
        match message.WhichOneof("message"):
            case "ack":
                self._reports.beat(self._agent.id, self._agent.host)
                await self._reports.add(self._refusals(message.ack))
                self._stream.acknowledge(message.ack.nonce)
            case "report":
                self._reports.beat(self._agent.id, self._agent.host, **self._changed_columns(message.report))
                await self._reports.add(self._observed(message.report))
            case _:
                raise Invalid("a hello is the first message of a stream, and only the first")

    def _refusals(self, ack: node_pb2.Ack) -> Sequence[WiringReport]:
        return [report for error in ack.errors for report in self._refusal(error)]

    def _refusal(self, error: node_pb2.ViewError) -> Iterable[WiringReport]:
        """Return what a view that could not be made true means for ports."""
        reason = clean(error.reason)
        if error.kind == node_pb2.VIEW_KIND_PORT:
            return [self._report(error.id, Wiring.ERROR, reason)]
        # A port that works already goes on working without the newest view of its network.
        return [
            self._report(port_id, Wiring.ERROR, reason, only_if_not_up=True)
            for port_id in self._stream.ports_of(error.id)
        ]

    def _observed(self, report: node_pb2.Report) -> Sequence[WiringReport]:
        return [self._report(port.port_id, _wiring(port), clean(port.reason)) for port in _plausible(report.ports)]

    def _report(self, port_id: str, wiring: Wiring, reason: str, *, only_if_not_up: bool = False) -> WiringReport:
        return WiringReport(port_id, self._agent.host, wiring, reason, only_if_not_up)

    def _changed_columns(self, report: node_pb2.Report) -> dict[str, Any]:
        columns: dict[str, Any] = {}
        if report.neighbours:
            columns["neighbours"] = neighbours_of(report)
        if report.HasField("devices"):
            columns["configurations"] = {**self._agent.configurations, "devices": report.devices}
        return columns


def _wiring(port: node_pb2.PortReport) -> Wiring:
    if port.state not in _WIRINGS:
        raise Invalid(f"report of port {port.port_id}: the state is missing")
    return _WIRINGS[port.state]


def _plausible(ports: Iterable[node_pb2.PortReport]) -> Iterator[node_pb2.PortReport]:
    return (port for port in ports if port.port_id.isprintable() and len(port.port_id) <= _ID_LENGTH)
