"""Opens a session with a switch as the inventory describes it now: address, login, host key, and how careful to be.

The login is read from its reference at every call, so one that was rotated counts from the next session on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import structlog

from jackfield_arista.configuration.edit import Edit
from jackfield_arista.configuration.model import Configuration
from jackfield_arista.device.errors import AuthenticationFailed, RpcFailed
from jackfield_arista.device.health import Neighbour
from jackfield_arista.device.lost import LostSessions
from jackfield_arista.device.session import Safety, Session, Timeouts, connect
from jackfield_arista.device.trust import Trust
from jackfield_arista.inventory.credentials import CredentialUnreadable
from jackfield_arista.inventory.entries import Switch
from jackfield_arista.inventory.model import Inventory
from jackfield_arista.settings import AristaSettings

log = structlog.get_logger(__name__)


class Dialler:
    """Calls switches with the time-outs and the known hosts of the settings."""

    def __init__(self, settings: AristaSettings) -> None:
        """Call nobody yet."""
        self._known_hosts = settings.known_hosts
        self._timeouts = Timeouts(settings.connect_timeout, settings.rpc_timeout)
        # By address, because a switch that is exchanged keeps its name.
        self._lost: defaultdict[tuple[str, int], LostSessions] = defaultdict(LostSessions)

    def __call__(self, inventory: Inventory, switch: Switch) -> SwitchSession:
        """Return an open session; `SwitchError` if there is none."""
        return SwitchSession(self.way_to(inventory, switch), safety_of(switch))

    def way_to(self, inventory: Inventory, switch: Switch) -> Callable[[], Session]:
        """Return what opens a session as the inventory says and with the login of now.

        `SwitchError` if the login cannot be read; the call raises the others.
        """
        try:
            credentials = inventory.credential_of(switch.name).read()
        except CredentialUnreadable as error:
            raise AuthenticationFailed(switch.name, error.reason) from error
        trust = Trust(switch.host_key, self._known_hosts)
        where, lost = (switch.address, switch.port), self._lost[switch.address, switch.port]
        return lambda: connect(*where, credentials, trust, self._timeouts, switch=switch.name, lost=lost)


class SwitchSession:
    """A session that is as careful as the inventory says of its switch.

    A refusal counts only if a fresh session hears it, too. Servers keep things for a session: netconfd
    may take a change for one that it has already, and after a commit that failed it holds the lock of
    the candidate for ever against the very session that gave it back.
    """

    def __init__(self, call: Callable[[], Session], safety: Safety) -> None:
        """Open a session with `call`; `SwitchError` if there is none."""
        self._call = call
        self._safety = safety
        self._open: Session | None = call()

    @property
    def _session(self) -> Session:
        if self._open is None:
            self._open = self._call()
        return self._open

    def read(self) -> Configuration:
        """Return what the switch holds."""
        return self._session.read()

    def neighbours(self) -> tuple[Neighbour, ...]:
        """Return its LLDP table."""
        return self._session.neighbours()

    def settle(self) -> None:
        """See that no commit is on trial."""
        self._session.settle(self._safety)

    def apply(self, edit: Edit) -> Configuration:
        """Make an edit true and saved."""
        try:
            return self._session.apply(edit, self._safety)
        except RpcFailed as refusal:
            log.info("switch.refused", switch=refusal.switch, reason=refusal.reason)
            self.close()
        try:
            return self._session.apply(edit, self._safety)
        except RpcFailed:
            self.close()
            raise

    def save(self) -> None:
        """Have what runs survive a restart."""
        self._session.save(self._safety)

    def close(self) -> None:
        """End the session."""
        session, self._open = self._open, None
        if session is not None:
            session.close()


def safety_of(switch: Switch) -> Safety:
    """Return how careful to be with a switch."""
    return Safety(
        datastore=switch.datastore, save=switch.save, confirm_timeout=switch.confirm_timeout, uplinks=switch.uplinks
    )
