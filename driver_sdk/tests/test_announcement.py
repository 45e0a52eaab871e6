"""Ports that come up are announced, and the announcement is a frame that switches learn from."""

from __future__ import annotations

from collections.abc import Sequence

from jackfield_sdk import LaneAgent, PassOutcome, PortOutcome, PortState, PortView, Reporter, Views
from jackfield_sdk.announcement import rarp_request

PORT = PortView("port", "1", "net", "fa:16:3e:00:00:01")


class Host(LaneAgent):
    """Wires everything, and remembers what it was told to announce."""

    announce_after = (0.0,)

    def __init__(self) -> None:
        super().__init__(debounce=0, retry_max=0.05)
        self.passes = 0
        self.announced: list[list[str]] = []
        self.fault: Exception | None = None

    def reconcile(self, views: Views, *, sweep: bool) -> PassOutcome:
        self.passes += 1
        return PassOutcome([PortOutcome(view, PortState.UP) for view in views.ports.values()])

    def announce(self, ports: Sequence[PortView]) -> None:
        self.announced.append([port.id for port in ports])
        if self.fault:
            raise self.fault


async def test_a_port_is_announced_once_when_it_comes_up(eventually):
    """Later passes that find it as it is say nothing; after it went and came back it is announced again."""
    host = Host()
    await host.start(Reporter())
    await host.apply_port(PORT)
    await eventually(lambda: host.announced == [["port"]])
    passes = host.passes
    host.wake()
    await eventually(lambda: host.passes > passes)
    assert host.announced == [["port"]]

    await host.remove_port(PORT.id)
    await host.apply_port(PORT)

    await eventually(lambda: host.announced == [["port"], ["port"]])
    await host.stop()


async def test_an_announcement_is_repeated_while_the_port_is_up(eventually):
    """What was sent before all devices forwarded is sent again."""
    host = Host()
    host.announce_after = (0.0, 0.0)
    await host.start(Reporter())
    await host.apply_port(PORT)
    await eventually(lambda: host.announced == [["port"], ["port"]])
    await host.stop()


async def test_a_port_that_cannot_be_announced_is_up_all_the_same(eventually):
    """An announcement saves time and nothing else."""
    host, reporter = Host(), Reporter()
    host.fault = OSError("no such device")
    await host.start(reporter)
    await host.apply_port(PORT)

    await eventually(lambda: host.announced)

    assert [report.state for report in reporter.take().ports] == [PortState.UP]
    await host.stop()


def test_the_frame_is_a_rarp_request_of_the_machine_to_everybody() -> None:
    """Source and sender are the machine, as anti-spoofing asks, and the frame has Ethernet's least length."""
    frame = rarp_request("fa:16:3e:00:00:01")

    mac = bytes.fromhex("fa163e000001")
    assert (frame[:6], frame[6:12], frame[12:14]) == (b"\xff" * 6, mac, b"\x80\x35")
    assert frame[20:22] == b"\x00\x03"
    assert (frame[22:28], frame[32:38]) == (mac, mac)
    assert len(frame) == 60
