"""The mechanism driver for Arista EOS.

It introduces itself to the core and claims no port yet: it declares no network
type and no interest, so the core asks it for nothing and owes it nothing.
"""

from jackfield_sdk import MechanismDriver


class AristaDriver(MechanismDriver):
    """A driver that does nothing until it can do it right."""

    name = "arista"
    version = "0.1.0"
