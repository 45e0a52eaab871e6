"""The verdict: what is wrong once everything is well again and nobody asks for anything.

Seven questions, each answered from rows and files alone. Do the ledger and its allocations fit the
resources? Do ports have the addresses that their hosts make themselves? Does every fabric hold what
the database says, attribute by attribute? Was anything applied twice, or after its end? Do the hosts
carry what is bound to them, and is it ACTIVE? Does the compute service know that? And is every
promise kept?
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from support import ledger

from chaos import rows
from chaos.promises import Fate, Journal, Promise
from chaos.rows import Row, Rows
from chaos.site import COMPUTE, FABRICS, HOSTS, Site

_NOT_BOUND = ("unbound", "binding_failed")
_CHANGEABLE = {"name", "admin_state_up", "binding:host_id", "device_id", "device_owner", "leaf:colour"}
"""What clients change."""


def problems(site: Site, journal: Journal) -> list[str]:
    """Return what is wrong, as sentences."""
    found = Rows(site.database.url)
    fabrics = {fabric.name: rows.held(site.file(fabric.name)) for fabric in FABRICS}
    held = {name: _revisions(fabric) for name, fabric in fabrics.items()}
    return [
        *ledger.problems(site.database.url, held),
        *_numbers(found),
        *_self_made(found),
        *(one for name, fabric in fabrics.items() for one in _differences(found, name, fabric)),
        *(one for fabric in FABRICS for one in _twice(fabric.name, site.file(fabric.name))),
        *(one for host in HOSTS for one in _misplaced(found, host, site.file(host))),
        *_racks(found),
        *_statuses(found),
        *_untold(found, journal, rows.told(site.file(COMPUTE))),
        *_broken(found, journal),
    ]


def _revisions(fabric: Mapping[tuple[str, str], tuple[int, Row]]) -> ledger.Fabric:
    found: dict[str, dict[str, int]] = {"network": {}, "subnet": {}, "port": {}}
    for (kind, id), (revision, _) in fabric.items():
        found[kind][id] = revision
    return found


def _numbers(found: Rows) -> Iterator[str]:
    """Compare segments with the numbers that are allocated."""
    allocated = {(row["segment_id"], row["network_type"], row["segmentation_id"]) for row in found.segment_allocations}
    segments = [segment for of_network in found.segments.values() for segment in of_network]
    wanted = {(one["id"], one["network_type"], one["segmentation_id"]) for one in segments if one["segmentation_id"]}
    numbered = {one for one in allocated if one[2]}
    yield from (f"segment {one} has no allocation" for one in sorted(wanted - numbered))
    yield from (f"allocation {one} has no segment" for one in sorted(numbered - wanted))


def _self_made(found: Rows) -> Iterator[str]:
    """Compare the addresses of ports with the prefixes of their networks (RFC 4862, made of the MAC)."""
    automatic = [one for one in found.subnets.values() if one["ipv6_address_mode"] == "slaac"]
    for id, port in found.ports.items():
        on_network = [subnet for subnet in automatic if subnet["network_id"] == port["network_id"]]
        wanted = {(subnet["id"], _made(subnet["cidr"], port["mac_address"])) for subnet in on_network}
        has = {one for one in _addresses(port["fixed_ips"]) if ":" in one[1]}
        if has != wanted:
            yield f"port {id} has {sorted(has)}, and its host makes {sorted(wanted)}"


def _made(cidr: str, mac_address: str) -> str:
    octets = bytes.fromhex(mac_address.replace(":", ""))
    interface = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(ipaddress.ip_network(cidr)[int.from_bytes(interface)])


# Fabrics.


def _differences(found: Rows, driver: str, fabric: Mapping[tuple[str, str], tuple[int, Row]]) -> Iterator[str]:
    """Compare each attribute of what a fabric holds with the database; what is missing is the ledger's matter."""
    for (kind, id), (revision, value) in fabric.items():
        if id not in found.of_kind(kind):
            continue
        if kind == "network":
            # Ports get theirs from the driver itself, with the acknowledgement.
            stored = found.attributes.get((id, driver, "colour"))
            if stored != value["attributes"].get("colour"):
                yield f"colour of {kind} {id} at {revision} is {value['attributes']} on {driver} and {stored} here"
        for name, (here, there) in _compared(found, kind, id, value).items():
            if here != there:
                yield f"{name} of {kind} {id} at {revision} is {there!r} on {driver} and {here!r} in the database"


def _compared(found: Rows, kind: str, id: str, value: Row) -> dict[str, tuple[object, object]]:
    """Return pairs to be equal: what is stored, and what is held."""
    row = found.of_kind(kind)[id]
    pairs: dict[str, tuple[object, object]] = {name: (row[name], value[name]) for name in row if name in value}
    if kind == "network":
        segments = [_segment(one) for one in found.segments.get(id, [])]
        pairs["segments"] = (segments, [_segment(one) for one in value["segments"]])
    if kind == "port":
        binding, levels = found.bindings[id], found.levels.get(id, [])
        pairs["fixed_ips"] = (_addresses(row["fixed_ips"]), _addresses(value["fixed_ips"]))
        for name in ("host", "vnic_type", "vif_type"):
            pairs[name] = (binding[name], value["binding"][name])
        pairs["levels"] = (_levels(levels), _levels(value["binding"]["levels"]))
    return pairs


def _segment(one: Row) -> tuple[object, ...]:
    return one["id"], one["network_type"], one["physical_network"], one["segmentation_id"]


def _levels(levels: Iterable[Row]) -> list[tuple[object, ...]]:
    return [(one["level"], one["driver"], one["segment_id"]) for one in levels]


def _addresses(fixed_ips: Iterable[Row]) -> list[tuple[str, str]]:
    return sorted((one["subnet_id"], one["ip_address"]) for one in fixed_ips)


def _twice(driver: str, path: Path) -> Iterator[str]:
    """Return what was applied twice, in the wrong order, or after the end of its resource."""
    last: dict[tuple[str, str], int] = {}
    ended: set[tuple[str, str]] = set()
    for kind, id, revision, action in rows.applied(path):
        key = kind, id
        if key in ended:
            yield f"{action} of {kind} {id} at {revision} on {driver} came after its removal"
        elif action == "remove":
            ended.add(key)
        elif revision <= last.get(key, -1):
            yield f"{action} of {kind} {id} at {revision} on {driver} came after {last[key]}"
        last[key] = revision


# Hosts.


def _misplaced(found: Rows, host: str, path: Path) -> Iterator[str]:
    """Compare what a host carries with what is bound to it."""
    carried = rows.views(path)
    bound = {id: found.ports[id] for id, binding in found.bindings.items() if _is_wired_at(found, id, binding, host)}
    wanted = {("port", id) for id in bound} | {("network", port["network_id"]) for port in bound.values()}
    yield from (f"{kind} {id} is bound to {host} and is not there" for kind, id in sorted(wanted - carried.keys()))
    yield from (f"{kind} {id} is on {host} and not bound to it" for kind, id in sorted(carried.keys() - wanted))
    for id, port in bound.items():
        view = carried.get(("port", id))
        if view is None:
            continue
        here = (port["mac_address"], port["admin_state_up"], [one["ip_address"] for one in port["fixed_ips"]])
        there = (view["mac_address"], view["admin_state_up"], view["ip_addresses"])
        if here != there:
            yield f"port {id} is {there} on {host} and {here} in the database"


def _is_wired_at(found: Rows, id: str, binding: Row, host: str) -> bool:
    levels = found.levels.get(id, [])
    return bool(levels) and binding["host"] == host and levels[-1]["driver"] == FABRICS[0].name


def _racks(found: Rows) -> Iterator[str]:
    """Compare what the first driver said of each port with the port's host."""
    for id, binding in found.bindings.items():
        wanted = f"rack of {binding['host']}" if binding["host"] else None
        stored = found.attributes.get((id, FABRICS[0].name, "rack"))
        if stored != wanted:
            yield f"rack of port {id} is {stored!r} and not {wanted!r}"


def _statuses(found: Rows) -> Iterator[str]:
    """Return the ports that are bound and not ACTIVE, or the other way round."""
    for id, port in found.ports.items():
        binding = found.bindings[id]
        if binding["host"] and binding["vif_type"] in _NOT_BOUND:
            yield f"port {id} is on {binding['host']} and {binding['vif_type']}"
            continue
        is_bound = binding["vif_type"] not in _NOT_BOUND
        if (port["status"] == "ACTIVE") != (is_bound and port["admin_state_up"]):
            yield f"port {id} is {port['status']}, bound: {is_bound}, admin_state_up: {port['admin_state_up']}"


# Servers.


def _untold(found: Rows, journal: Journal, told: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """Compare what the compute service was told last of each port with what is true of it."""
    plugged: dict[tuple[str, str], bool] = {}
    deleted: set[tuple[str, str]] = set()
    for name, server, tag in told:
        match name:
            case "network-vif-plugged":
                plugged[server, tag] = True
            case "network-vif-unplugged":
                plugged[server, tag] = False
            case "network-vif-deleted":
                deleted.add((server, tag))
                plugged[server, tag] = False
    wanted = {
        (port["device_id"], id)
        for id, port in found.ports.items()
        if port["device_owner"].startswith("compute:") and port["status"] == "ACTIVE"
    }
    known = {one for one, is_plugged in plugged.items() if is_plugged}
    yield from (f"server {server} waits for port {id}" for server, id in sorted(wanted - known))
    yield from (f"server {server} was told that it has port {id}" for server, id in sorted(known - wanted))
    yield from (f"server {server} lost port {id}, which is there" for server, id in deleted if id in found.ports)
    for promise in journal.promises:
        owner = promise.sure.get("device_id"), promise.id
        is_sure = promise.is_deleted and not promise.unclear.get("device_id")
        if promise.kind == "port" and is_sure and owner[0] and owner not in deleted:
            yield f"server {owner[0]} was not told that port {promise.id} was deleted"


# Promises.


def _broken(found: Rows, journal: Journal) -> Iterator[str]:
    """Return what was promised and is not so."""
    by_mark: dict[tuple[str, str], list[Row]] = {}
    for kind in ("network", "subnet", "port"):
        for row in found.of_kind(kind).values():
            by_mark.setdefault((kind, row["name"].partition("~")[0]), []).append(row)
    together: dict[str, set[bool]] = {}
    for promise in journal.promises:
        there = by_mark.pop((promise.kind, promise.mark), [])
        yield from _unkept(found, promise, there)
        if promise.together and promise.id is None:
            together.setdefault(promise.together, set()).add(bool(there))
    yield from (f"of the bulk request {mark} only a part was made" for mark, said in together.items() if len(said) > 1)
    yield from (f"nobody asked for {kind} {mark}" for kind, mark in by_mark if mark)


def _unkept(found: Rows, promise: Promise, there: list[Row]) -> Iterator[str]:
    name = f"{promise.kind} {promise.mark} ({promise.id})"
    if len(there) > 1:
        yield f"{name} is there {len(there)} times"
    if promise.fate is not Fate.EITHER and bool(there) != (promise.fate is Fate.THERE):
        yield f"{name} has to be {promise.fate}"
    for row in there:
        stored = _shown(found, promise.kind, row)
        for attribute in promise.sure:
            if not promise.allows(attribute, stored[attribute]):
                yield f"{attribute} of {name} is {stored[attribute]!r} and not {promise.expected(attribute)}"
        for attribute in stored.keys() - promise.sure.keys() - _CHANGEABLE:
            if attribute in promise.told and _lasting(promise.told[attribute]) != _lasting(stored[attribute]):
                yield f"{attribute} of {name} is {stored[attribute]!r}, and was {promise.told[attribute]!r}"


def _lasting(value: object) -> object:
    """Return what was told without the addresses that come and go with subnets."""
    if isinstance(value, list):
        return [one for one in value if ":" not in one.get("ip_address", "")]
    return value


def _shown(found: Rows, kind: str, row: Row) -> Row:
    """Return a row the way the API shows what clients were told."""
    match kind:
        case "network":
            [segment] = found.segments[row["id"]]
            return {
                **{name: row[name] for name in ("id", "name", "admin_state_up", "mtu")},
                "leaf:colour": found.attributes.get((row["id"], "leaf", "colour")),
                "provider:network_type": segment["network_type"],
                "provider:physical_network": segment["physical_network"],
                "provider:segmentation_id": segment["segmentation_id"],
            }
        case "subnet":
            names = ("id", "name", "network_id", "cidr", "gateway_ip", "allocation_pools")
            return {name: row[name] for name in names}
        case _:
            server = ("device_id", "device_owner")
            columns = ("id", "name", "network_id", "admin_state_up", "mac_address", "fixed_ips", *server)
            return {**{name: row[name] for name in columns}, "binding:host_id": found.bindings[row["id"]]["host"]}
