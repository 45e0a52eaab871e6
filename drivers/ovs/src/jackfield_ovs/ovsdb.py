"""A connection to an OVSDB server, by ovsdbapp, with four habits of our own.

- Only the columns that the plan reads are monitored. Counters and link states change all the
  time, and each change would wake the agent.
- Every process may have several connections; ovsdbapp keeps one for each class.
- A transaction fails if ovs-vswitchd does not take it up; ovsdbapp only logs that.
- A device that does not open is no failure: the interface's `error` says so, for one port.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ovs.stream import Stream
from ovsdbapp.backend.ovs_idl import connection, idlutils
from ovsdbapp.backend.ovs_idl.command import BaseCommand
from ovsdbapp.schema.open_vswitch import impl_idl

from jackfield_ovs.layout import MARK
from jackfield_ovs.settings import OvsSettings

_SCHEMA = "Open_vSwitch"
_COLUMNS = {
    "Open_vSwitch": ["bridges", "next_cfg", "cur_cfg"],
    "Bridge": ["name", "ports", "datapath_type", "fail_mode", "controller", "external_ids"],
    "Port": ["name", "interfaces", "tag", "external_ids"],
    "Interface": ["name", "type", "options", "external_ids", "ofport", "error"],
    "Controller": ["target", "external_ids"],
}


def connect(settings: OvsSettings, wake: Callable[[], None]) -> Any:
    """Return ovsdbapp's API on a new connection, with all rows read.

    `wake` is called in the connection's thread. Fails with ovsdbapp's exceptions or OSError.
    """
    if settings.ovsdb.startswith("ssl:"):
        _use_tls(settings)
    helper = idlutils.get_schema_helper(settings.ovsdb, _SCHEMA)
    for table, columns in _COLUMNS.items():
        helper.register_columns(table, columns)
    link = connection.Connection(_Idl(settings.ovsdb, helper, wake), timeout=settings.timeout)
    # The indices by name have to exist before the first row arrives.
    api = _Api(link, start=False)
    link.start()
    return api


class AddController(BaseCommand):  # type: ignore[misc]
    """Add a controller to a bridge and leave the others."""

    def __init__(self, api: Any, bridge: str, target: str) -> None:
        super().__init__(api)
        self._bridge = bridge
        self._target = target

    def run_idl(self, txn: Any) -> None:
        bridge = self.api.lookup("Bridge", self._bridge)
        controller = txn.insert(self.api.tables["Controller"])
        controller.target = self._target
        controller.external_ids = {MARK: "controller"}
        bridge.addvalue("controller", controller)


class _Idl(connection.OvsdbIdl):  # type: ignore[misc]
    """Tells of every change; runs in the connection's thread."""

    def __init__(self, remote: str, helper: Any, wake: Callable[[], None]) -> None:
        super().__init__(remote, helper)
        self._wake = wake

    def notify(self, event: str, row: Any, updates: Any = None) -> None:
        # next_cfg and cur_cfg are ovs-vswitchd saying "done" to us and to others.
        if row._table.name != "Open_vSwitch":
            self._wake()


class _Transaction(impl_idl.OvsVsctlTransaction):  # type: ignore[misc]
    """Waits for ovs-vswitchd, and says so if it does not come."""

    def post_commit(self, txn: Any) -> None:
        for command in self.commands:
            command.post_commit(txn)
        self.do_post_commit(txn)

    def post_commit_failed_interfaces(self, txn: Any) -> list[str]:
        return []


class _Api(impl_idl.OvsdbIdl):  # type: ignore[misc]
    """ovsdbapp's commands on a connection of its own."""

    _own: Any = None

    @property
    def ovsdb_connection(self) -> Any:
        return self._own

    @ovsdb_connection.setter
    def ovsdb_connection(self, value: Any) -> None:
        self._own = value

    def create_transaction(self, check_error: bool = False, log_errors: bool = True, **_: Any) -> Any:
        return _Transaction(self, self.ovsdb_connection, check_error=check_error, log_errors=log_errors)


def _use_tls(settings: OvsSettings) -> None:
    key, certificate, authority = settings.tls_files
    Stream.ssl_set_private_key_file(str(key))
    Stream.ssl_set_certificate_file(str(certificate))
    Stream.ssl_set_ca_cert_file(str(authority))
