"""The switch's OVSDB: look at all of it, change a little of it.

The agent looks (`look`), plans, and changes what differs in one transaction (`Change`). A change
returns when ovs-vswitchd has taken it up, so the ports that it made have their OpenFlow numbers.
Every verb looks first and adds nothing to the transaction if the switch is so already; an empty
transaction costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog

from jackfield_ovs import local_vlans
from jackfield_ovs.errors import ovsdb_error
from jackfield_ovs.layout import DEAD_VLAN, MARK
from jackfield_ovs.observed import Observed, ObservedBridge, ObservedInterface
from jackfield_ovs.ovsdb import AddController, connect
from jackfield_ovs.plan import Patch, Tunnel
from jackfield_ovs.settings import OvsSettings

log = structlog.get_logger(__name__)

_NO_PEER = "nonexistent-peer"

_Result = TypeVar("_Result")


class Vswitch:
    """A connection to one OVSDB server; it reconnects by itself. Its calls block."""

    def __init__(self, settings: OvsSettings, wake: Callable[[], None]) -> None:
        """Connect, and call `wake` from another thread whenever something changes.

        RetryLater if nobody answers.
        """
        self._timeout = settings.timeout
        self._integration = settings.integration_bridge
        self._api = _translated(lambda: connect(settings, wake))

    def close(self) -> None:
        """End the connection."""
        self._api.ovsdb_connection.stop(timeout=self._timeout)

    def look(self) -> Observed:
        """Return the switch as it is now; RetryLater if a transaction hangs on a lost server."""
        lock = self._api.ovsdb_connection.lock
        if not _translated(lambda: lock.acquire(timeout=self._timeout)):
            raise ovsdb_error(TimeoutError("the connection is busy"))
        try:
            return _observed(self._api.tables, self._integration)
        finally:
            lock.release()

    @contextmanager
    def change(self, observed: Observed) -> Iterator[Change]:
        """Collect verbs and apply them at once, unless there is nothing to do.

        RetryLater if the server or ovs-vswitchd does not answer; the change may be in then.
        """
        change = Change(self._api, observed)
        yield change
        if change.commands:
            transaction = self._api.create_transaction(check_error=True, log_errors=False)
            for command in change.commands:
                transaction.add(command)
            _translated(transaction.commit)
            log.debug("ovsdb.changed", commands=len(change.commands))


class Change:
    """The verbs of one transaction."""

    def __init__(self, api: Any, observed: Observed) -> None:
        """Start with nothing to do."""
        self._api = api
        self._seen = observed
        self.commands: list[Any] = []

    def ensure_bridge(self, name: str, datapath_type: str) -> None:
        """Have a bridge that drops what no flow lets through."""
        bridge = self._seen.bridges.get(name)
        if bridge is None:
            self._add(self._api.add_br(name, datapath_type=datapath_type))
            self._set("Bridge", name, external_ids={MARK: "bridge"})
        if bridge is None or bridge.fail_mode != "secure":
            self._set("Bridge", name, fail_mode="secure")

    def plug_again(self, interface: ObservedInterface) -> None:
        """Have a guest's interface on its bridge again, as the compute service had plugged it."""
        self._add(self._api.add_port(interface.bridge, interface.name))
        self._set("Interface", interface.name, type=interface.type, external_ids=dict(interface.external_ids))

    def ensure_controller(self, bridge: str, target: str) -> None:
        """Have the bridge listen for OpenFlow at `target`, beside what it listens to already."""
        seen = self._seen.bridges.get(bridge)
        if seen is None or target not in seen.controllers:
            self._add(AddController(self._api, bridge, target))

    def ensure_patch(self, patch: Patch) -> None:
        """Have one end of a patch, which leads nowhere until `open_patch`."""
        if patch.name not in self._seen.interfaces:
            self._add(self._api.add_port(patch.bridge, patch.name))
            self._set("Interface", patch.name, type="patch", options={"peer": _NO_PEER})
            self._set("Port", patch.name, external_ids={MARK: "patch"})

    def open_patch(self, patch: Patch) -> None:
        """Have a patch lead to its peer."""
        if self._seen.interfaces[patch.name].options.get("peer") != patch.peer:
            self._set("Interface", patch.name, options={"peer": patch.peer})

    def ensure_tunnel(self, bridge: str, tunnel: Tunnel) -> None:
        """Have a tunnel port with these options."""
        seen = self._seen.interfaces.get(tunnel.name)
        if seen is None:
            self._add(self._api.add_port(bridge, tunnel.name))
            self._set("Port", tunnel.name, external_ids={MARK: "tunnel"})
        if seen is None or not tunnel.options.items() <= seen.options.items():
            self._set("Interface", tunnel.name, type=tunnel.tunnel_type, options=dict(tunnel.options))

    def remove_port(self, name: str, bridge: str) -> None:
        """Have no such patch or tunnel port."""
        self._add(self._api.del_port(name, bridge=bridge))

    def ensure_tag(self, interface: ObservedInterface, vlan: int) -> None:
        """Have the port of a guest's interface in a VLAN, and remember that we put it there."""
        if interface.tag != vlan or interface.mark != "port":
            self._set("Port", interface.port, tag=vlan, external_ids={MARK: "port"})

    def remove_tag(self, interface: ObservedInterface) -> None:
        """Have a port that we wired once dead, and not ours any more."""
        self._set("Port", interface.port, tag=DEAD_VLAN)
        self._add(self._api.db_remove("Port", interface.port, "external_ids", MARK))

    def ensure_local_vlan(self, bridge: str, network_id: str, vlan: int) -> None:
        """Have the local VLAN of a network written down."""
        if self._seen.local_vlans.get(network_id) != vlan:
            self._set("Bridge", bridge, external_ids={local_vlans.key(vlan): network_id})

    def remove_local_vlan(self, bridge: str, vlan: int) -> None:
        """Have a local VLAN free."""
        self._add(self._api.db_remove("Bridge", bridge, "external_ids", local_vlans.key(vlan)))

    def _set(self, table: str, record: str, **columns: Any) -> None:
        self._add(self._api.db_set(table, record, *columns.items()))

    def _add(self, command: Any) -> None:
        self.commands.append(command)


def _translated(call: Callable[[], _Result]) -> _Result:
    try:
        return call()
    except Exception as error:
        raise ovsdb_error(error) from error


def _observed(tables: Mapping[str, Any], integration_bridge: str) -> Observed:
    bridges: dict[str, ObservedBridge] = {}
    interfaces: dict[str, ObservedInterface] = {}
    vlans: dict[str, int] = {}
    for bridge in tables["Bridge"].rows.values():
        bridges[bridge.name] = _bridge(bridge)
        if bridge.name == integration_bridge:
            vlans = local_vlans.read(bridge.external_ids)
        for port in bridge.ports:
            for interface in port.interfaces:
                interfaces[interface.name] = _interface(bridge, port, interface)
    return Observed(bridges, interfaces, vlans)


def _bridge(row: Any) -> ObservedBridge:
    return ObservedBridge(
        name=row.name,
        datapath_type=row.datapath_type,
        fail_mode=_first(row.fail_mode, ""),
        controllers=frozenset(controller.target for controller in row.controller),
        mark=row.external_ids.get(MARK, ""),
    )


def _interface(bridge: Any, port: Any, row: Any) -> ObservedInterface:
    return ObservedInterface(
        name=row.name,
        port=port.name,
        bridge=bridge.name,
        type=row.type,
        options=dict(row.options),
        iface_id=row.external_ids.get("iface-id", ""),
        external_ids=dict(row.external_ids),
        ofport=_first(row.ofport, None),
        error=_first(row.error, ""),
        tag=_first(port.tag, None),
        mark=port.external_ids.get(MARK, ""),
    )


def _first(values: list[Any], absent: Any) -> Any:
    """Return the value of an optional column, which the OVSDB gives as a set."""
    return values[0] if values else absent
