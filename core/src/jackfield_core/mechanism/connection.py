"""A process that has introduced itself, on a connection of its own."""

from jackfield_core.mechanism.answers import Handshake
from jackfield_core.mechanism.client import DriverClient


class Connection:
    """*client* reaches, at *address*, the process that said *handshake*."""

    def __init__(self, address: str, client: DriverClient, handshake: Handshake) -> None:
        self.address = address
        self.client = client
        self.handshake = handshake
        self.is_draining = False
        """True while the process takes nothing new."""

    @property
    def instance_id(self) -> str:
        """Which process it is."""
        return self.handshake.instance_id
