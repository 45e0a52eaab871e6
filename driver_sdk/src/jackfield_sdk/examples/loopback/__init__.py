"""The reference driver: a fabric in memory, or in a file, that can be told to refuse.

It takes part in everything the contract offers, so it stands in for a vendor's driver in the demo,
in tests and in the bench. In a process of its own it is `jackfield-loopback`; in a test it is
`LoopbackDriver(fabric)` with a `Fabric` that the test holds in its hand:

    fabric.reject("network", reason="VLAN 7 is reserved")
    ...
    assert fabric.ports[port_id].revision == 3
"""

from jackfield_sdk.examples.loopback.backing import revisions_in
from jackfield_sdk.examples.loopback.cli import main
from jackfield_sdk.examples.loopback.driver import LoopbackDriver, LoopbackOptions
from jackfield_sdk.examples.loopback.fabric import Fabric, Held
from jackfield_sdk.examples.loopback.orders import Orders

__all__ = ["Fabric", "Held", "LoopbackDriver", "LoopbackOptions", "Orders", "main", "revisions_in"]
