"""Binding over a real socket: which segment, by whom, or why not."""

from __future__ import annotations

import pytest
from jackfield_sdk import (
    Attribute,
    Bound,
    Kind,
    NextLevel,
    Rejected,
    RetryLater,
    Skip,
    Veto,
)
from jackfield_sdk.testing import RecordingDriver, a_host, a_network, a_port, a_segment, running


@pytest.fixture
def driver():
    driver = RecordingDriver()
    driver.attributes = (Attribute(Kind.NETWORK, "vni", {"type": "integer"}),)
    return driver


@pytest.fixture
async def core(driver, tmp_path):
    async with running(driver, tmp_path) as core:
        yield core


async def test_bind_port_is_asked_with_the_candidates_and_the_host(driver, core):
    """Each kind of answer arrives as it was given."""
    network, host = a_network(a_segment("vlan", 7), a_segment("vxlan", 70)), a_host()
    port, (vlan, vxlan) = a_port(network), network.segments
    answers = [
        Bound(vxlan.id, "ovs", {"port_filter": True}, wired=True),
        NextLevel(vlan.id, "vxlan"),
        NextLevel(vlan.id, "vlan", "leaf1"),
        Skip("not mine"),
        Veto("the host is in maintenance"),
    ]
    driver.script.answer("bind_port", *answers)

    assert [await core.bind(port, network, host) for _ in answers] == answers
    context = driver.script.called("bind_port")[0]
    assert (context.port, context.network, context.host) == (port, network, host)
    assert (context.segments, context.level) == (network.segments, 0)


async def test_errors_in_bind_port_become_a_skip_or_a_veto(driver, core):
    """There is no error in a binding: not mine, or not for anybody."""
    network = a_network()
    driver.script.answer("bind_port", None, Rejected("never"), RetryLater("the controller is down"), Bound("x", "ovs"))

    answers = [await core.bind(a_port(network), network, a_host()) for _ in range(4)]

    assert answers[:3] == [Skip(), Veto("never"), Skip("the controller is down")]
    assert isinstance(answers[3], Skip), "a segment that was not offered is a fault of the driver"
