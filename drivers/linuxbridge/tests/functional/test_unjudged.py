"""No tap is in a bridge of ours that the filter does not judge."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from jackfield_linuxbridge.antispoof import Filter, FilteredPort
from jackfield_linuxbridge.antispoof_nft import Nftables, Transaction
from jackfield_linuxbridge.layout import bridge_name
from linuxbridge_lab import AgentProcess, Guest, Host
from pyroute2 import netns
from pyroute2.netlink import NLM_F_ACK, NLM_F_REQUEST
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink import nftsocket
from support.hosts import eventually
from support.views import a_network, a_port

pytestmark = pytest.mark.functional

NET = a_network(network_type="local", segmentation_id=None, mtu=1400)
BRIDGE = bridge_name(NET.id)


def a_wired_guest(lab: Any, *, alias: str = "") -> tuple[Host, Guest, AgentProcess]:
    """Return a host, a guest on it that is up, and the host's agent; the guest's tap may have an alias."""
    host = lab.host()
    guest = lab.guest(host, a_port(1, network=NET))
    guest.plug()
    if alias:
        host.ip("link", "set", guest.tap, "alias", alias)
    agent = lab.agent(host, audit_interval=600).started()
    agent.network(NET)
    agent.port(guest.port)
    agent.in_sync()
    agent.wait_for(guest.port.id, "up")
    assert host.link(guest.tap)["master"] == BRIDGE
    return host, guest, agent


def inside(host: Host, do: Callable[[], None]) -> None:
    """Do something in a host's namespace."""
    with ThreadPoolExecutor(1, initializer=netns.setns, initargs=(host.name,)) as threads:
        threads.submit(do).result()


def make_foreign_table() -> None:
    """Make a table that has our name and somebody else's comment."""
    with Nftables() as nft:
        nft.commit(Transaction("jackfield").make_table("mine"))


def delete_table() -> None:
    """Delete the table that has our name."""
    message = nftsocket.nft_table_msg()
    message["nfgen_family"] = nftsocket.NFPROTO_BRIDGE
    message["header"]["type"] = nftsocket.NFNL_SUBSYS_NFTABLES << 8 | nftsocket.NFT_MSG_DELTABLE
    message["header"]["flags"] = NLM_F_REQUEST | NLM_F_ACK
    message["attrs"] = [("NFTA_TABLE_NAME", "jackfield")]
    transaction = Transaction("jackfield")
    transaction.messages.append(message)
    with Nftables() as nft:
        nft.commit(transaction)


def test_a_tap_that_is_renamed_leaves_its_bridge_until_it_has_its_name_again(lab: Any) -> None:
    """The filter knows a tap by its name: under another one its guest could say what it likes."""
    host, guest, agent = a_wired_guest(lab)

    host.ip("link", "set", guest.tap, "down")
    host.ip("link", "set", guest.tap, "name", "vnet0")

    agent.wait_for(guest.port.id, "down")
    eventually(lambda: "master" not in host.link("vnet0"), "the tap is in no bridge")
    host.ip("link", "set", "vnet0", "name", guest.tap)
    agent.wait_for(guest.port.id, "up")
    assert host.link(guest.tap)["master"] == BRIDGE


def test_a_tap_with_somebodys_alias_leaves_its_bridge_with_its_port(lab: Any) -> None:
    """It has no mark, but the name of a tap that no port of this host has: it is out, and keeps its alias."""
    host, guest, agent = a_wired_guest(lab, alias="instance-1")

    agent.remove_port(guest.port.id)

    eventually(lambda: "master" not in host.link(guest.tap), "the tap is in no bridge")
    assert host.link(guest.tap)["ifalias"] == "instance-1"


def test_a_tap_with_somebodys_alias_that_is_renamed_leaves_its_bridge(lab: Any) -> None:
    """Its mark is another name, so it is known under any, by the next agent as well; and goes with the port."""
    host, guest, agent = a_wired_guest(lab, alias="instance-1")
    agent.kill()
    host.ip("link", "set", guest.tap, "down")
    host.ip("link", "set", guest.tap, "name", "vnet0")

    agent = lab.agent(host, audit_interval=600).started()
    agent.network(NET)
    agent.port(guest.port)
    agent.in_sync()
    eventually(lambda: "master" not in host.link("vnet0"), "the tap is in no bridge")
    host.ip("link", "set", "vnet0", "name", guest.tap)
    agent.wait_for(guest.port.id, "up")
    assert host.link(guest.tap)["master"] == BRIDGE

    agent.remove_port(guest.port.id)
    eventually(lambda: "altnames" not in host.link(guest.tap), "the mark is gone")
    assert "master" not in host.link(guest.tap)
    assert host.link(guest.tap)["ifalias"] == "instance-1"


def test_two_ports_with_one_tap_do_not_pull_it_to_and_fro(lab: Any) -> None:
    """The second one waits for the first, and its addresses do not become the first one's."""
    host, guest, agent = a_wired_guest(lab)
    other_net = a_network("other", network_type="local", segmentation_id=None)
    other = replace(a_port(2, network=other_net), id=guest.port.id[:-4] + "0000")
    agent.network(other_net)
    agent.port(other)

    assert agent.wait_for(other.id, "error")["reason"] == f"device {guest.tap} is that of port {guest.port.id}"
    assert host.link(guest.tap)["master"] == BRIDGE
    agent.remove_port(guest.port.id)
    agent.wait_for(other.id, "up")
    assert host.link(guest.tap)["master"] == bridge_name(other_net.id)


def test_a_tap_that_cannot_be_judged_leaves_the_bridge_that_the_compute_service_put_it_into(lab: Any) -> None:
    """While somebody else's table has our name the guest is cut off; one without port security goes on."""
    host = lab.host()
    open_port, port = a_port(1, network=NET, port_security_enabled=False), a_port(2, network=NET)
    host.ip("link", "add", BRIDGE, "type", "bridge")
    guests = [lab.guest(host, view) for view in (open_port, port)]
    for guest in guests:
        guest.plug()
        host.ip("link", "set", guest.tap, "master", BRIDGE)
    inside(host, make_foreign_table)
    agent = lab.agent(host, vif_type="bridge", retry_max=0.2).started()
    agent.network(NET)
    for view in (open_port, port):
        agent.port(view)

    assert "is not ours" in agent.wait_for(port.id, "error")["reason"]
    eventually(lambda: "master" not in host.link(guests[1].tap), "the tap is in no bridge")
    assert host.link(guests[0].tap)["master"] == BRIDGE

    inside(host, delete_table)
    agent.wait_for(port.id, "up")
    assert host.link(guests[1].tap)["master"] == BRIDGE


def test_a_tap_that_is_judged_stays_in_its_bridge_while_the_filter_fails(lab: Any) -> None:
    """What the kernel was told goes on: a change that it refuses interrupts nobody."""
    port = FilteredPort("port", "tap1", "fa:16:3e:00:00:01", ("192.168.7.1",))

    def refuse_a_change() -> None:
        filter = Filter()
        assert filter.reconcile([port], sweep=True) == {}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Nftables, "commit", _refusal)
            failures = filter.reconcile([replace(port, ip_addresses=("192.168.7.2",))], sweep=True)
        assert failures.keys() == {"port"}
        assert filter.judges("tap1")
        assert not filter.judges("tap2")

    inside(lab.host(), refuse_a_change)


def _refusal(*_: object) -> None:
    raise NetlinkError(12)
