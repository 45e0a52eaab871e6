"""An agent with one lane does passes when something happens, and tells what became of each port."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
from jackfield_sdk import (
    AgentSettings,
    LaneAgent,
    NetworkView,
    PassOutcome,
    PortOutcome,
    PortState,
    PortView,
    Reporter,
    RetryLater,
    Views,
)
from jackfield_sdk.agent import _run_until_told

NETWORK = NetworkView("net", "1", "segment", "local")
PORT = PortView("port", "1", "net", "fa:16:3e:00:00:01")


class Host(LaneAgent):
    """A host that is as the test says: `failure` for a pass that is incomplete, `error` for one that is impossible."""

    def __init__(self) -> None:
        super().__init__(debounce=0, retry_max=0.05, tunnel_ip="127.0.0.1")
        self.failure = ""
        self.error: Exception | None = None
        self.passes: list[tuple[Views, bool]] = []
        self.threads: set[str] = set()
        self.is_open = False

    def open(self) -> None:
        self.threads.add(threading.current_thread().name)
        self.is_open = True

    def close(self) -> None:
        self.threads.add(threading.current_thread().name)
        self.is_open = False

    def reconcile(self, views: Views, *, sweep: bool) -> PassOutcome:
        self.threads.add(threading.current_thread().name)
        self.passes.append((views, sweep))
        if self.error:
            raise self.error
        ports = [PortOutcome(view, PortState.UP, failure=self.failure) for view in views.ports.values()]
        return PassOutcome(ports, {"bridge": self.failure} if self.failure else {})


@pytest.fixture
async def host():
    """Give a host whose agent has started."""
    host = Host()
    host.reporter = Reporter()
    await host.start(host.reporter)
    yield host
    await host.stop()
    assert not host.is_open
    assert len(host.threads) == 1


def told(host: Host) -> tuple[PortState, str] | None:
    """Return what was last told of the port, since the last question."""
    reports = host.reporter.take().ports
    return (reports[0].state, reports[0].reason) if reports else None


async def test_a_view_wakes_the_lane(host, eventually):
    """A port that comes is in the next pass, and is told as that pass left it."""
    await host.apply_network(NETWORK)
    await host.apply_port(PORT)

    await eventually(lambda: told(host) == (PortState.UP, ""))
    assert host.devices == 1
    views, sweep = host.passes[-1]
    assert views == Views({"net": NETWORK}, {"port": PORT})
    assert not sweep


async def test_nothing_is_swept_before_the_core_has_said_everything(host, eventually):
    """Passes may sweep from `in_sync` on."""
    host.wake()
    await eventually(lambda: len(host.passes) == 2)
    await host.in_sync()
    await eventually(lambda: len(host.passes) == 3)

    assert [sweep for _, sweep in host.passes] == [False, False, True]


async def test_a_pass_sweeps_only_by_views_that_are_complete(host, eventually):
    """What the core says while a pass waits for the lane's thread is for the next pass, and so is that it was all."""
    busy, free = threading.Event(), threading.Event()

    def announce(ports: Sequence[PortView]) -> None:
        busy.set()
        assert free.wait(60)

    host.announce, host.announce_after = announce, (0.0,)
    await host.apply_port(PORT)
    await eventually(busy.is_set)
    passes = len(host.passes)
    host.wake()
    for _ in range(20):
        await asyncio.sleep(0)
    await host.apply_port(replace(PORT, id="other"))
    await host.in_sync()
    free.set()
    await eventually(lambda: len(host.passes) == passes + 2)

    assert [(set(views.ports), sweep) for views, sweep in host.passes[passes:]] == [
        ({"port"}, False),
        ({"port", "other"}, True),
    ]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RetryLater("the switch is silent"), "the switch is silent"),
        (KeyError("x"), "the agent has a fault; see its log"),
    ],
)
async def test_a_pass_that_fails_is_repeated_and_ports_wait_with_the_reason(host, eventually, error, reason):
    """As long as the host refuses the port is an error; as soon as it does not, the port is up, without a new event."""
    host.error = error
    await host.apply_port(PORT)
    await eventually(lambda: told(host) == (PortState.ERROR, reason))

    host.error = None
    await eventually(lambda: told(host) == (PortState.UP, ""))


async def test_a_port_that_was_up_stays_up_while_the_host_refuses(host, eventually):
    """What was made for it is still there, so neither kind of failure is told of it, and both are repeated."""
    await host.apply_port(PORT)
    await eventually(lambda: told(host) == (PortState.UP, ""))
    for failure, error in (("it is busy", None), ("", RetryLater("it is away"))):
        host.failure, host.error = failure, error
        passes = len(host.passes)
        host.wake()
        await eventually(lambda passes=passes: len(host.passes) > passes + 2)

    assert told(host) is None
    assert host.devices == 1


async def test_a_new_port_that_could_not_be_made_is_an_error(host, eventually):
    """What kept the pass from making it is its reason."""
    host.failure = "the table is full"
    await host.apply_port(PORT)

    await eventually(lambda: told(host) == (PortState.ERROR, "the table is full"))


async def test_a_port_that_was_removed_is_not_told_any_more(host, eventually):
    """A view that is taken back is in no later pass."""
    await host.apply_port(PORT)
    await eventually(lambda: told(host) == (PortState.UP, ""))
    await host.remove_port("port")
    await eventually(lambda: host.passes[-1][0].ports == {})

    assert told(host) is None
    assert host.devices == 0


async def test_an_agent_that_is_told_to_stop_while_it_starts_does_no_pass_after_its_end(
    tmp_path, monkeypatch, eventually
):
    """Nobody would stop what a start that goes on begins: it would work on a device that is let go of."""
    told, inside, go_on, closing, close = [], *(threading.Event() for _ in range(4))
    monkeypatch.setattr("jackfield_sdk.agent.on_stop_signals", told.append)

    class Slow(Host):
        agent_type, binary, driver = "Toy agent", "toy-agent", "toy"

        def reconcile(self, views: Views, *, sweep: bool) -> PassOutcome:
            inside.set()
            assert go_on.wait(60)
            super().reconcile(views, sweep=sweep)
            return PassOutcome((), {"bridge": "it is busy"})

        def close(self) -> None:
            closing.set()
            assert close.wait(60)
            super().close()

    host = Slow()
    life = asyncio.create_task(_run_until_told(host, AgentSettings(core=f"unix://{tmp_path}/none", host="host-1")))
    await eventually(inside.is_set)
    told[0]()
    for event in (go_on, close):
        for _ in range(30):
            await asyncio.sleep(0)
        event.set()
        await eventually(closing.is_set)
    await asyncio.wait_for(life, 60)

    assert len(host.passes) == 1
    assert not host.is_open


async def test_a_new_port_whose_packets_do_not_fit_into_the_tunnels_is_an_error(host, eventually):
    """A network that is wider than the underlay carries small packets and loses large ones; who is up stays up."""
    fits = replace(NETWORK, network_type="vxlan", mtu=65536 - 50)
    await host.apply_network(fits)
    await host.apply_port(PORT)
    await eventually(lambda: told(host) == (PortState.UP, ""))

    await host.apply_network(replace(fits, mtu=65536 - 49))
    await host.apply_port(replace(PORT, id="other"))

    reason = "device lo with tunnel_ip 127.0.0.1 has MTU 65536, and the network 65487 and 50 of vxlan"
    await eventually(lambda: told(host) == (PortState.ERROR, reason))
    assert host.devices == 1
    passes = len(host.passes)
    await host.apply_network(fits)
    await eventually(lambda: told(host) == (PortState.UP, ""))
    assert len(host.passes) <= passes + 2
