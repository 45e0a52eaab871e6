"""Binds ports to drivers and segments."""

from collections.abc import Sequence

from msgspec import Struct

from jackfield_core.db.port import Binding, Port
from jackfield_core.db.tree import NetworkTree
from jackfield_core.types import BindingLevel


class BindingRequest(Struct, frozen=True):
    """A port to bind; its binding names the host, the VNIC type and the profile."""

    port: Port
    tree: NetworkTree


class BindingOutcome(Struct, frozen=True):
    """How a port is bound; *wired* if no report of an agent is awaited.

    *tree* is the network as it stands with this binding: the one of the
    request, or a newer one if segments had to be allocated meanwhile.
    """

    binding: Binding
    levels: tuple[BindingLevel, ...]
    wired: bool
    tree: NetworkTree


class Binder:
    """Asks drivers to bind ports, outside of any transaction."""

    async def bind(self, requests: Sequence[BindingRequest]) -> dict[str, BindingOutcome]:
        """Return the outcome of each port, by port id."""
        raise NotImplementedError
