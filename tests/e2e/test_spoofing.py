"""A machine speaks only for the addresses that the API gave its port, whichever agent wires it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from e2e.lab.api import Api, Resource
from e2e.lab.fleet import Fleet
from e2e.lab.machine import INTERFACE, Machine
from support import spoofing
from support.wire import Wire, arrivals

WITNESS = spoofing.OWN_ADDRESSES[0]
PAIRS = [{"ip_address": block} | ({"mac_address": mac} if mac else {}) for mac, block in spoofing.PAIRS]
CIDRS = {4: "192.168.7.0/24", 6: "2001:db8:7::/64"}


@pytest.mark.parametrize("kind", ["ovs", "linuxbridge"])
def test_a_machine_speaks_for_its_port_alone(fleet: Fleet, kind: str) -> None:
    """Exactly those frames of the table arrive that the port may send; all do when port security is switched off."""
    api = fleet.cloud.api
    with neighbours(fleet, kind) as (suspect, peer), wire(suspect) as speaker, wire(peer) as listener:
        secured = arrivals(speaker, listener, spoofing.SECURED, WITNESS)
        api.update("port", suspect.vif.port_id, port_security_enabled=False, allowed_address_pairs=[])
        trusted = arrivals(speaker, listener, spoofing.TRUSTED, WITNESS)

    assert secured == {case.name: case.passes for case in spoofing.SECURED}
    assert trusted == {case.name: case.passes for case in spoofing.TRUSTED}


@contextmanager
def neighbours(fleet: Fleet, kind: str) -> Iterator[tuple[Machine, Machine]]:
    """Start two machines on a host; the first has the port of the table. They are gone after the block."""
    api = fleet.cloud.api
    network = api.create("network", name=f"spoofing-{kind}")
    host = fleet.hosts(kind)[0]
    suspect = fleet.cloud.boot(f"suspect-{kind}", network, host, **port_of_the_table(api, network))
    peer = fleet.cloud.boot(f"peer-{kind}", network, host)
    yield suspect, peer
    for machine in (suspect, peer):
        machine.remove()
        api.delete("port", machine.vif.port_id)
    api.delete("network", network["id"])


def port_of_the_table(api: Api, network: Resource) -> Resource:
    """Return the attributes of a port with the addresses of the table, and make their subnets."""
    # The port has the first address of each subnet, which a gateway would have otherwise.
    subnets = [
        api.create("subnet", network_id=network["id"], ip_version=version, cidr=cidr, gateway_ip=None)
        for version, cidr in CIDRS.items()
    ]
    fixed_ips = [
        {"subnet_id": subnet["id"], "ip_address": address}
        for subnet, address in zip(subnets, (spoofing.OWN, spoofing.OWN_V6), strict=True)
    ]
    return {"mac_address": spoofing.MAC, "fixed_ips": fixed_ips, "allowed_address_pairs": PAIRS}


def wire(machine: Machine) -> Wire:
    """Take a machine's network card as a wire."""
    return Wire(machine.namespace.name, INTERFACE)
