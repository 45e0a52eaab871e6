"""What the switch refuses, in the words of what the agent does next.

`RetryLater`: nobody answers, or the switch is busy; the same attempt may succeed. `Infeasible`:
the switch understood and says no.
"""

from __future__ import annotations

import re
import subprocess

from jackfield_sdk import DriverError, Infeasible, RetryLater
from ovsdbapp import exceptions as ovsdb

# What ovs-ofctl says when the bridge or the way to it is missing, rather than the flow wrong.
_NOBODY_ANSWERS = re.compile(
    r"failed to connect|is not a bridge|No such file|Connection (refused|reset|timed out)"
    r"|connection (dropped|closed)|Broken pipe|unexpected connection|End of file|TLS|SSL|OFPBFC",
    re.IGNORECASE,
)


def ovsdb_error(error: Exception) -> DriverError:
    """Translate a failure of an OVSDB transaction."""
    if isinstance(error, (ovsdb.TimeoutException, ovsdb.OvsdbConnectionUnavailable)):
        return RetryLater("the OVSDB server or ovs-vswitchd does not answer", code="OVS_SILENT")
    if isinstance(error, OSError) or "Could not retrieve schema" in str(error):
        return RetryLater(f"cannot reach the OVSDB server: {error}", code="OVS_UNREACHABLE")
    return RetryLater(f"the OVSDB transaction failed: {error}", code="OVSDB_FAILED")


def openflow_error(bridge: str, error: Exception) -> DriverError:
    """Translate a failure of ovs-ofctl on a bridge."""
    if isinstance(error, subprocess.TimeoutExpired):
        return RetryLater(f"bridge {bridge} does not answer OpenFlow", code="OPENFLOW_SILENT")
    text = str(error).strip()
    if isinstance(error, OSError) or _NOBODY_ANSWERS.search(text):
        return RetryLater(f"cannot reach bridge {bridge}: {text}", code="OPENFLOW_UNREACHABLE")
    return Infeasible(f"bridge {bridge} refuses a flow: {text}", code="FLOW_REFUSED")
