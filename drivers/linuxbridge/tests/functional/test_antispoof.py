"""The filter on a real bridge: what a guest says reaches its neighbour, or does not."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from jackfield_linuxbridge.antispoof import Filter, FilteredPort
from jackfield_linuxbridge.antispoof_nft import Nftables, Transaction
from jackfield_sdk import AddressPair
from pyroute2 import netns
from pyroute2.netlink import NLM_F_ACK, NLM_F_REQUEST
from pyroute2.netlink.nfnetlink import nftsocket
from support import spoofing
from support.frames import IPV4, LLDP, ethernet, ipv4, mark, udp
from support.hosts import Namespace, eventually, run
from support.reaper import owned
from support.spoofing import Case
from support.views import a_network, a_port
from support.wire import Wire, arrivals

pytestmark = pytest.mark.functional

SUSPECT, PEER = "tap-suspect", "tap-peer"
SECURED = FilteredPort(
    "suspect",
    SUSPECT,
    spoofing.MAC,
    (spoofing.OWN, spoofing.OWN_V6),
    tuple(AddressPair(mac, block) for mac, block in spoofing.PAIRS),
)
PORTS = {
    "secured": (SECURED, spoofing.SECURED),
    "trusted": (replace(SECURED, port_security_enabled=False), spoofing.TRUSTED),
    "without addresses": (replace(SECURED, ip_addresses=(), allowed_address_pairs=()), spoofing.UNADDRESSED),
}
WITNESS = spoofing.OWN_ADDRESSES[0]
CASES = {case.name: case for case in spoofing.SECURED}

Result = TypeVar("Result")


class Room:
    """A host with a bridge and two guests; the first one is the suspect."""

    def __init__(self) -> None:
        tag = f"{owned('spoof')}{secrets.token_hex(3)}"
        self._host = Namespace(f"{tag}h")
        self._guests = [Namespace(f"{tag}g{number}") for number in (1, 2)]
        self._host.ip("link", "add", "bridge", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        self._host.ip("link", "set", "bridge", "up")
        for guest, tap in zip(self._guests, (SUSPECT, PEER), strict=True):
            self._host.ip("link", "add", tap, "type", "veth", "peer", "name", "eth0", "netns", guest.name)
            guest.ip("link", "set", "eth0", "up")
            self._host.ip("link", "set", tap, "master", "bridge", "up")
        self.suspect, self.peer = (Wire(guest.name, "eth0") for guest in self._guests)
        self._inside = ThreadPoolExecutor(1, initializer=netns.setns, initargs=(self._host.name,))
        self.filter = Filter()

    def inside(self, do: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
        """Do something in the host's namespace."""
        return self._inside.submit(do, *arguments, **options).result()

    def reconcile(self, *ports: FilteredPort, sweep: bool = True) -> Mapping[str, str]:
        return self.inside(self.filter.reconcile, ports, sweep=sweep)

    def generation(self) -> int:
        return self.inside(lambda: self._ask(Nftables.generation))

    def devices(self) -> set[str]:
        """Return the devices that are judged."""
        return {element.device for element in self.inside(lambda: self._ask(lambda nft: [*nft.elements("jackfield")]))}

    def commit(self, transaction: Transaction) -> None:
        self.inside(lambda: self._ask(lambda nft: nft.commit(transaction)))

    def comment(self, table: str) -> str | None:
        return self.inside(lambda: self._ask(lambda nft: nft.comment(table)))

    def arrivals(self, *cases: Case) -> dict[str, bool]:
        return arrivals(self.suspect, self.peer, cases, WITNESS)

    def learned(self) -> set[str]:
        """Return the MAC addresses that the bridge has learned of the suspect."""
        shown = json.loads(run("bridge", "-n", self._host.name, "-json", "fdb", "show", "dynamic", "dev", SUSPECT))
        return {entry["mac"] for entry in shown}

    def forget_learned(self) -> None:
        """Have the bridge forget the MAC addresses of the suspect."""
        self._host.ip("link", "set", SUSPECT, "type", "bridge_slave", "fdb_flush")

    def close(self) -> None:
        self._inside.shutdown()
        for wire in (self.suspect, self.peer):
            wire.__exit__()
        for namespace in (*self._guests, self._host):
            namespace.close()

    @staticmethod
    def _ask(question: Callable[[Nftables], Result]) -> Result:
        with Nftables() as nft:
            return question(nft)


@pytest.fixture(scope="module")
def shared_room() -> Iterator[Room]:
    """One room for all tests; skips them if the kernel has no nftables for bridges."""
    room = Room()
    try:
        if failures := room.reconcile(SECURED):
            pytest.skip(f"this kernel has no nftables for bridges: {failures[SECURED.id]}")
        yield room
    finally:
        room.close()


@pytest.fixture
def room(shared_room: Room) -> Room:
    """The room, with a filter that has just started and judges nobody."""
    shared_room.filter = Filter()
    assert shared_room.reconcile() == {}
    return shared_room


@pytest.mark.parametrize("kind", PORTS)
def test_each_frame_arrives_or_does_not(room: Room, kind: str) -> None:
    """Of all frames of the table, exactly those arrive that the port may send."""
    port, cases = PORTS[kind]
    assert room.reconcile(port) == {}

    assert room.arrivals(*cases) == {case.name: case.passes for case in cases}


@pytest.mark.parametrize("group", ["ff:ff:ff:ff:ff:ff", spoofing.PORT_AUTHENTICATION_GROUP])
def test_a_bridge_learns_nothing_from_a_lie(room: Room, group: str) -> None:
    """A frame from a strange MAC address leaves no entry, not even one for a group that bridges do not forward."""
    learned = []
    for ports in ((), (SECURED,)):
        room.forget_learned()
        room.reconcile(*ports)
        room.suspect.send(spoofing.lie_to(group))
        room.arrivals(WITNESS)
        learned.append(spoofing.STRANGER_MAC in room.learned())

    assert learned == [True, False]


def test_the_agents_bridges_learn_nothing_from_lldp(lab: Any) -> None:
    """A guest that sends LLDP frames from its neighbour's MAC address gets none of the neighbour's frames."""
    host = lab.host()
    agent = lab.agent(host)
    network = a_network("net", "local", mtu=1400)
    ports = [a_port(1, network=network), a_port(2, network=network)]
    guests = [lab.guest(host, port) for port in ports]
    agent.network(network)
    for port, guest in zip(ports, guests, strict=True):
        guest.plug()
        agent.port(port)
        agent.wait_for(port.id, "up")
    eventually(lambda: guests[0].pings("192.168.7.2"), "the guests talk")

    with Wire(guests[0].name, "eth0") as suspect, Wire(guests[1].name, "eth0") as peer:
        suspect.send(ethernet(LLDP, bytes(46), ports[1].mac_address, spoofing.LLDP_GROUP))
        # Nobody answers a broadcast, so the neighbour's address is not learned again.
        suspect.send(ethernet(IPV4, ipv4("192.168.7.1", udp(5000, 5000, mark(0))), ports[0].mac_address))
        peer.heard_until(0)
        shown = host.exec("bridge", "fdb", "show", "dynamic", "dev", guests[0].tap)

    assert ports[0].mac_address in shown
    assert ports[1].mac_address not in shown


def test_pairs_come_and_go(room: Room) -> None:
    """An address passes from the pass that allows it to the pass that no longer does."""
    case = CASES["single_address"]
    bare = replace(SECURED, allowed_address_pairs=())
    seen = []
    for port in (bare, SECURED, bare):
        room.reconcile(port)
        seen.append(room.arrivals(replace(case, passes=port is SECURED))[case.name])

    assert seen == [False, True, False]


def test_a_change_opens_no_gap(room: Room) -> None:
    """While the port changes and the agent restarts again and again, no lie passes and no honest frame is lost."""
    honest, lie = CASES["ipv4"], CASES["strange_ipv4"]
    room.reconcile(SECURED)
    numbers = itertools.count(1 << 16)
    lies: set[int] = set()
    heard: set[int] = set()

    with ThreadPoolExecutor(1) as elsewhere:
        changing = elsewhere.submit(_change_often, room)
        while not changing.done():
            lied, told = next(numbers), next(numbers)
            lies.add(lied)
            room.suspect.send(lie.make(mark(lied)))
            room.suspect.send(honest.make(mark(told)))
            heard |= room.peer.heard_until(told)

    changing.result()
    assert lies
    assert not lies & heard


def test_a_restart_writes_nothing(room: Room) -> None:
    """A new agent that finds everything right makes no transaction."""
    room.reconcile(SECURED)
    before = room.generation()

    room.filter = Filter()
    room.reconcile(SECURED)

    assert room.generation() == before


def test_strangers_stay_until_sweeping_is_allowed(room: Room) -> None:
    """What an earlier agent wrote stays judged until the core has said everything."""
    gone = replace(SECURED, id="gone", device="tap-gone")
    room.reconcile(SECURED, gone)

    room.filter = Filter()
    room.reconcile(SECURED, sweep=False)
    assert room.devices() == {SUSPECT, "tap-gone"}

    room.reconcile(SECURED)
    assert room.devices() == {SUSPECT}


def test_a_wrong_address_silences_its_port_alone(room: Room) -> None:
    """A port with an address that is none gets a reason and no frame through; its neighbour is filtered as ever."""
    neighbour = replace(SECURED, id="neighbour", device=PEER)

    failures = room.reconcile(replace(SECURED, ip_addresses=("192.168.7.1000",)), neighbour)

    assert list(failures) == ["suspect"]
    assert "'192.168.7.1000' does not appear to be an IPv4 or IPv6" in failures["suspect"]
    room.suspect.send(CASES["ipv4"].make(mark(2**32 - 1)))
    room.reconcile(SECURED, neighbour)
    room.suspect.send(CASES["ipv4"].make(mark(2**32 - 2)))
    assert 2**32 - 1 not in room.peer.heard_until(2**32 - 2)


@pytest.mark.parametrize("damage", ["rules", "table"])
def test_what_was_removed_by_hand_comes_back(room: Room, damage: str) -> None:
    """The next pass of a running agent repairs the table."""
    room.reconcile(SECURED)
    room.commit(_deletion(damage))

    room.reconcile(SECURED)

    cases = [CASES[name] for name in ("ipv4", "strange_ipv4", "dhcp_offer", "ipv4_from_strange_mac")]
    assert room.arrivals(*cases) == {case.name: case.passes for case in cases}


def test_a_foreign_table_is_not_touched(room: Room) -> None:
    """A table of our name without our mark is left alone, and the ports say why they are not filtered."""
    room.commit(_deletion("table"))
    room.commit(Transaction("jackfield").make_table("somebody else's"))
    before = room.generation()

    failures = room.reconcile(SECURED)

    assert "table bridge jackfield is not ours" in failures[SECURED.id]
    assert room.generation() == before
    assert room.comment("jackfield") == "somebody else's"
    room.commit(_deletion("table"))


def test_deployments_do_not_sweep_each_other(room: Room) -> None:
    """Each deployment on a host has a table of its own."""
    room.reconcile(SECURED)
    room.filter = Filter("second")
    room.reconcile()

    assert room.devices() == {SUSPECT}
    assert room.comment("jackfield-second") == "jackfield/second: made by jackfield-linuxbridge"
    room.commit(_deletion("table", "jackfield-second"))


def test_many_ports_are_written_at_once(room: Room) -> None:
    """More ports than one transaction takes are all judged after one pass."""
    ports = [replace(SECURED, id=str(number), device=f"tap{number:08}") for number in range(200)]

    assert room.reconcile(*ports) == {}

    assert room.devices() == {port.device for port in ports}


def _change_often(room: Room) -> None:
    for number in range(20):
        room.filter = Filter()
        pairs = SECURED.allowed_address_pairs[number % 3 :]
        assert room.reconcile(replace(SECURED, allowed_address_pairs=pairs)) == {}


def _deletion(what: str, table: str = "jackfield") -> Transaction:
    transaction = Transaction(table)
    if what == "table":
        message, kind, name = nftsocket.nft_table_msg(), nftsocket.NFT_MSG_DELTABLE, "NFTA_TABLE_NAME"
    else:
        message, kind, name = nftsocket.nft_rule_msg(), nftsocket.NFT_MSG_DELRULE, "NFTA_RULE_TABLE"
    message["nfgen_family"] = nftsocket.NFPROTO_BRIDGE
    message["header"]["type"] = nftsocket.NFNL_SUBSYS_NFTABLES << 8 | kind
    message["header"]["flags"] = NLM_F_REQUEST | NLM_F_ACK
    message["attrs"] = [(name, table)]
    transaction.messages.append(message)
    return transaction
