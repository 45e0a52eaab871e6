"""The mechanism driver for Linux bridge.

It introduces itself to the core and claims no port yet: it declares no network
type and no interest, so the core asks it for nothing and owes it nothing.
"""

from jackfield_sdk import MechanismDriver


class LinuxBridgeDriver(MechanismDriver):
    """A driver that does nothing until it can do it right."""

    name = "linuxbridge"
    version = "0.1.0"
