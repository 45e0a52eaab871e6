"""What no filter sees: a bridge learns from LLDP frames before nftables is asked.

A guest could draw a neighbour's frames to itself with one LLDP frame from the neighbour's MAC address. So our bridges
learn nothing from frames for link-local groups (01:80:c2:00:00:0x). pyroute2 has no name for this option of a bridge,
so it is written to /sys, which shows the devices of the agent's own network namespace.
"""

from __future__ import annotations

from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

_DEVICES = Path("/sys/class/net")


def ignore_link_local_groups(bridge: str) -> None:
    """Have a bridge learn nothing from them; where /sys may not be written it learns on, and the log says so."""
    try:
        (_DEVICES / bridge / "bridge" / "no_linklocal_learn").write_text("1")
    except OSError as error:
        log.warning("bridge.learns_from_lldp", bridge=bridge, reason=error.strerror)
