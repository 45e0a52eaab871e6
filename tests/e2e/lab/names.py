"""Names that say whose a thing is, so that two labs never meet and leftovers can be told apart.

Everything a lab puts where others could see it (namespaces, its run directory) is called
``jflab-<process id>-<tag>…``: the prefix says that it is ours, the process id who answers for
it (`support.reaper`), and the random tag keeps two labs of one process apart. Network interfaces
have room for 15 bytes only; they live inside the lab's namespaces and carry the tag alone.
"""

import secrets
from pathlib import Path

from support.reaper import ROOT, owned

INTERFACE_NAME_BYTES = 15  # IFNAMSIZ counts the terminating NUL as a 16th.


class Names:
    """The names of one lab."""

    def __init__(self) -> None:
        self.tag = secrets.token_hex(2)
        self.lab = f"{owned('lab')}{self.tag}"

    def namespace(self, what: str) -> str:
        """Return the name of the namespace of *what*, such as ``host-1``."""
        return f"{self.lab}-{what}"

    def interface(self, what: str) -> str:
        """Return an interface name with the tag.

        Raises:
            ValueError: The name would not fit.

        """
        name = f"{what}-{self.tag}"
        if len(name) > INTERFACE_NAME_BYTES:
            raise ValueError(f'interface name "{name}" has more than {INTERFACE_NAME_BYTES} bytes')
        return name

    @property
    def run_directory(self) -> Path:
        """Folder of the lab's databases, sockets and logs."""
        return ROOT / self.lab


def tap_name(port_id: str) -> str:
    """Return the interface name of a port: what the compute side derives from the port's id as well."""
    return f"tap{port_id}"[:14]
