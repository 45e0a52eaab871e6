"""The reference driver: a fabric in memory, or in a file, that can be told to refuse.

It takes part in everything the contract offers, so it stands in for a vendor's driver in the demo,
in tests and in the bench. In a process of its own it is `jackfield-loopback`; in a test it is
`LoopbackDriver(fabric)` with a `Fabric` that the test holds in its hand:

    fabric.reject("network", reason="VLAN 7 is reserved")
    ...
    assert fabric.ports[port_id].revision == 3
"""

from jackfield_sdk.examples.loopback.cli import main
from jackfield_sdk.examples.loopback.driver import LoopbackDriver, LoopbackOptions
from jackfield_sdk.examples.loopback.fabric import Fabric
from jackfield_sdk.examples.loopback.held import Held, Mark
from jackfield_sdk.examples.loopback.orders import Orders
from jackfield_sdk.examples.loopback.rows import Applied, Row, applied_in, revisions_in, rows_in

__all__ = [
    "Applied",
    "Fabric",
    "Held",
    "LoopbackDriver",
    "LoopbackOptions",
    "Mark",
    "Orders",
    "Row",
    "applied_in",
    "main",
    "revisions_in",
    "rows_in",
]
