"""Guests on two hosts reach each other."""

from __future__ import annotations

from typing import Any

import pytest
from linuxbridge_pairs import a_pair

pytestmark = pytest.mark.functional


def test_guests_reach_each_other_over_vxlan(lab: Any) -> None:
    """IPv4, IPv6 and frames of the network's full MTU pass between two hosts."""
    one, _ = a_pair(lab, "vxlan")

    assert one.guest.pings("192.168.7.2", seconds=10)
    assert one.guest.pings("fd07::2", seconds=10)
    assert one.guest.pings("192.168.7.2", "-M", "do", "-s", "1372", seconds=10)
