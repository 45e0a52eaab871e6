"""One NETCONF session with one switch: look at it, and make an edit true.

    with connect("10.0.0.7", 830, credentials, trust, switch="leaf-7") as session:
        edit = difference(session.read(), wanted, is_ours)
        session.apply(edit, Safety())

A session is for one thread, and blocks. Every method raises errors of `errors.py` and nothing else. After
`Unreachable` or `CommitLost` the session is over: open another one, and look what is true.
"""

from __future__ import annotations

from typing import Self

from lxml import etree

from jackfield_arista.configuration.edit import Edit
from jackfield_arista.configuration.model import Configuration
from jackfield_arista.device import parsing
from jackfield_arista.device.connection import Endpoint, Timeouts, knock, open_session
from jackfield_arista.device.errors import RpcFailed
from jackfield_arista.device.health import Health, Neighbour
from jackfield_arista.device.lost import LostSessions
from jackfield_arista.device.namespaces import ARISTA_VXLAN
from jackfield_arista.device.netconf import Netconf
from jackfield_arista.device.payload import payload
from jackfield_arista.device.polling import often
from jackfield_arista.device.transaction import Safety, Transaction, save, settle
from jackfield_arista.device.trust import Trust
from jackfield_arista.inventory.credentials import Credentials

__all__ = ["Neighbour", "Safety", "Session", "Timeouts", "connect"]


def connect(
    address: str,
    port: int,
    credentials: Credentials,
    trust: Trust,
    timeouts: Timeouts | None = None,
    *,
    switch: str = "",
    lost: LostSessions | None = None,
) -> Session:
    """Open a session; `switch` is the name that errors use, `lost` are sessions with it that may live on there.

    Unreachable, HostKeyUnknown, HostKeyChanged or AuthenticationFailed if there is none.
    """
    endpoint = Endpoint(switch or address, address, port)
    timeouts = timeouts or Timeouts()
    with often():
        manager, transport = open_session(endpoint, credentials, trust, timeouts)
    netconf = Netconf(endpoint.switch, manager, transport, LostSessions() if lost is None else lost)
    return Session(endpoint, netconf, timeouts)


class Session:
    """An open session; a context manager that closes it."""

    def __init__(self, endpoint: Endpoint, netconf: Netconf, timeouts: Timeouts) -> None:
        """Use what `connect` has opened."""
        self._endpoint = endpoint
        self._netconf = netconf
        self._timeouts = timeouts
        self._native_vxlan = netconf.has_module(ARISTA_VXLAN)

    @property
    def alive(self) -> bool:
        """Return whether the session is open, as far as anybody has noticed."""
        return self._netconf.alive

    def can(self, capability: str) -> bool:
        """Return whether the switch announced a capability: `candidate`, `confirmed-commit`."""
        return self._netconf.can(capability)

    def has_module(self, namespace: str) -> bool:
        """Return whether the switch announced a module of this namespace."""
        return self._netconf.has_module(namespace)

    def read(self) -> Configuration:
        """Return what the switch holds: all its VLANs and ports, whosever they are."""
        filters = parsing.configuration_filter(native_vxlan=self._native_vxlan)
        with often():
            return parsing.configuration(self._netconf.get_config(filters))

    def neighbours(self) -> tuple[Neighbour, ...]:
        """Return the switch's LLDP table."""
        with often():
            return parsing.neighbours(self._netconf.get([parsing.NEIGHBOURS_FILTER]))

    def links(self) -> dict[str, bool]:
        """Return for each interface whether it is up."""
        with often():
            return parsing.links(self._netconf.get([parsing.LINKS_FILTER]))

    def running_xml(self) -> bytes:
        """Return the whole running configuration, as the switch writes it."""
        with often():
            return bytes(etree.tostring(self._netconf.get_config()))

    def apply(self, edit: Edit, safety: Safety) -> Configuration:
        """Make an edit true, all of it, and return what the switch holds then.

        LockHeld and RpcFailed: nothing has changed. UnhealthyAfterCommit, NotTaken and TrialOver: it was taken
        back, where the switch can. CommitLost: the next look tells. NotSaved: it is true, and `save` is still due.
        """
        if edit.is_empty:
            return self.read()
        with often():
            return Transaction(
                self._endpoint.switch,
                self._netconf,
                safety,
                read=self.read,
                look=self._look,
                knock=lambda: knock(self._endpoint, self._timeouts.connect),
                payload=lambda one: payload(one, native_vxlan=self._native_vxlan),
            ).run(edit)

    def settle(self, safety: Safety) -> None:
        """See that nobody's commit is on trial: what runs stays. LockHeld if somebody may be in the middle of one."""
        with often():
            settle(self._netconf, safety)

    def save(self, safety: Safety) -> None:
        """Have what runs survive a restart, as the safety says. NotSaved if it does not."""
        with often():
            save(self._endpoint.switch, self._netconf, safety)

    def close(self) -> None:
        """End the session."""
        with often():
            self._netconf.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _look(self) -> Health:
        """Return the switch's health as far as it tells: one without LLDP has links at least."""
        try:
            state = self._netconf.get([parsing.LINKS_FILTER, parsing.NEIGHBOURS_FILTER])
        except RpcFailed:
            return Health()
        return Health(parsing.neighbours(state), parsing.links(state))
