"""Both switches do what tests of the driver rely on, and the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree
from ncclient.operations.rpc import RPCError
from ncclient.transport.errors import TransportError

from support.netconf import FakeSwitch, Heard, NetconfSwitch, missing_requirements
from support.netconf.somebody import Somebody
from support.waiting import wait_until

AnySwitch = NetconfSwitch | FakeSwitch
LACKS = missing_requirements()
REAL = pytest.param(NetconfSwitch, marks=pytest.mark.skipif(bool(LACKS), reason=f"needs {' and '.join(LACKS)}"))
VLAN = (
    '<network-instances xmlns="http://openconfig.net/yang/network-instance"><network-instance><name>default</name>'
    '<vlans><vlan xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="{2}"><vlan-id>{0}</vlan-id>'
    "<config><vlan-id>{0}</vlan-id><name>{1}</name></config></vlan></vlans></network-instance></network-instances>"
)
TRUNK = (
    '<interfaces xmlns="http://openconfig.net/yang/interfaces"><interface><name>{port}</name>'
    '<ethernet xmlns="http://openconfig.net/yang/interfaces/ethernet"><switched-vlan '
    'xmlns="http://openconfig.net/yang/vlan"><config xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0">{leaves}'
    "</config></switched-vlan></ethernet></interface></interfaces>"
)
FILTER = (
    '<interfaces xmlns="http://openconfig.net/yang/interfaces"><interface><name>Ethernet2</name><ethernet '
    'xmlns="http://openconfig.net/yang/interfaces/ethernet"/></interface></interfaces>'
)


def vlan(number: int, name: str, operation: str = "merge") -> str:
    return VLAN.format(number, name, operation)


@pytest.fixture(params=[REAL, pytest.param(FakeSwitch)], ids=["real", "fake"])
def switch(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnySwitch]:
    """Start a switch that hears one neighbour."""
    with request.param(tmp_path / "leaf", neighbours={"Ethernet1": Heard("host-1", "eth0")}) as started:
        yield started


@pytest.fixture
def operator(switch: AnySwitch) -> Iterator[Somebody]:
    """Open a session."""
    with Somebody(switch.port, switch.user, switch.key_file) as session:
        yield session


def values(xml: bytes | str, name: str) -> list[str | None]:
    """Return the texts of all leaves of a name."""
    return [leaf.text for leaf in etree.fromstring(xml).iter(f"{{*}}{name}")]


def test_new_switch_has_its_ports_and_hears_its_neighbours(switch: AnySwitch, operator: Somebody) -> None:
    """What leaves the factory is every port, VLAN 1, and who is at the other ends."""
    assert set(switch.ports) < set(values(switch.running(), "name"))
    reported = operator.ask("get").data_xml.encode()
    assert values(reported, "system-name") == ["host-1"]
    assert values(reported, "oper-status") == ["UP"] * len(switch.ports)


def test_filter_selects_a_part(operator: Somebody) -> None:
    """A subtree filter gives what it names, with the keys of what it is in."""
    part = operator.ask("get_config", source="running", filter=("subtree", FILTER)).data_xml.encode()

    assert values(part, "name") == ["Ethernet2"]
    assert values(part, "access-vlan") == ["1"]
    assert values(part, "vlan-id") == []


def test_edit_of_somebody_else_is_lost_by_a_reboot_unless_it_was_saved(switch: AnySwitch) -> None:
    """Running configuration is not startup configuration, and both are gone when the switch is emptied."""
    empty = switch.running()
    switch.edit(vlan(101, "saved"))
    with Somebody(switch.port, switch.user, switch.key_file) as operator:
        operator.ask("copy_config", source="running", target="startup")
    switch.edit(vlan(102, "unsaved"))

    switch.reboot()
    assert b"saved" in switch.running()
    assert b"unsaved" not in switch.running()
    switch.reboot(empty=True)
    assert switch.running() == empty


def test_lock_of_somebody_else_keeps_others_out(switch: AnySwitch, operator: Somebody) -> None:
    """The lock names its holder, nobody else may edit, and it ends with the block."""
    with switch.lock_elsewhere() as holder:
        with pytest.raises(RPCError) as refused, operator.lock("candidate"):
            pass
        assert refused.value.tag == "lock-denied"
        assert f"<session-id>{holder}</session-id>" in str(refused.value.info)
        with pytest.raises(RPCError) as refused:
            operator.edit(vlan(103, "kept out"))
        assert refused.value.tag == "in-use"

    operator.edit(vlan(103, "later"))
    assert b"later" in switch.running()


@pytest.mark.parametrize(
    ("edit", "tag"),
    [
        (vlan(1, "again", "create"), "data-exists"),
        (vlan(7, "nobody", "delete"), "data-missing"),
        (vlan(4095, "too high"), "invalid-value"),
        (TRUNK.format(port="Ethernet1", leaves="<interface-mode>HYBRID</interface-mode>"), "invalid-value"),
        ('<what xmlns="http://example.org/"/>', "unknown-namespace"),
    ],
    ids=["exists", "missing", "range", "enumeration", "namespace"],
)
def test_edit_that_makes_no_sense_is_refused(switch: AnySwitch, operator: Somebody, edit: str, tag: str) -> None:
    """Each error has its tag, and nothing changes."""
    before = switch.running()
    with pytest.raises(RPCError) as refused:
        operator.edit(edit)

    assert getattr(refused.value, "errors", [refused.value])[0].tag == tag
    operator.ask("discard_changes")
    assert switch.running() == before


def test_trunk_is_edited_leaf_by_leaf(switch: AnySwitch, operator: Somebody) -> None:
    """Members of a trunk are added and removed one by one; what does not fit the mode goes with it."""
    members = "".join(f"<trunk-vlans>{member}</trunk-vlans>" for member in ("101", "102", "200..205"))
    operator.edit(TRUNK.format(port="Ethernet1", leaves=f"<interface-mode>TRUNK</interface-mode>{members}"))
    assert sorted(map(str, values(switch.running(), "trunk-vlans"))) == ["101", "102", "200..205"]
    assert values(switch.running(), "access-vlan") == ["1"] * (len(switch.ports) - 1)

    operator.edit(TRUNK.format(port="Ethernet1", leaves='<trunk-vlans nc:operation="remove">102</trunk-vlans>'))
    assert sorted(map(str, values(switch.running(), "trunk-vlans"))) == ["101", "200..205"]


def test_what_is_removed_leaves_nothing_behind(switch: AnySwitch, operator: Somebody) -> None:
    """After a VLAN is added and removed, the running configuration is the same to the byte."""
    before = switch.running()
    operator.edit(vlan(104, "short"))
    assert switch.running() != before
    operator.edit(vlan(104, "short", "remove"))
    assert switch.running() == before


def test_commit_on_trial_is_taken_back_when_nobody_confirms(switch: AnySwitch, operator: Somebody) -> None:
    """It is gone when its time is up; that it is in force until then is seen where the time is long."""
    operator.ask("edit_config", target="candidate", config=operator.config(vlan(105, "on trial")))
    operator.ask("commit", confirmed=True, timeout="1")
    # The real server looks at the clock while nobody talks to it.
    wait_until(lambda: b"on trial" not in switch.running(), what="the end of the trial", timeout=30, interval=1.5)


def test_commit_on_trial_ends_with_its_session_unless_it_persists(switch: AnySwitch) -> None:
    """A session that dies takes its trial along; one that persists can be confirmed by another session."""
    for number, persist in ((106, None), (107, "token")):
        session = Somebody(switch.port, switch.user, switch.key_file)
        session.ask("edit_config", target="candidate", config=session.config(vlan(number, f"vlan {number}")))
        session.ask("commit", confirmed=True, timeout="600", persist=persist)
        assert f"vlan {number}".encode() in switch.running()
        switch.cut()
        with pytest.raises(TransportError):
            session.running()
    with Somebody(switch.port, switch.user, switch.key_file) as other:
        wait_until(lambda: b"vlan 106" not in switch.running(), what="the end of the first trial", timeout=30)
        other.ask("commit", persist_id="token")

    assert b"vlan 107" in switch.running()


def test_broken_connection_is_noticed_and_a_new_one_is_welcome(switch: AnySwitch) -> None:
    """A cut ends every session at once; a switch without power refuses, until it is back."""
    operator = Somebody(switch.port, switch.user, switch.key_file)
    switch.cut()
    with pytest.raises(TransportError):
        operator.running()

    switch.power_off()
    with pytest.raises(TransportError, match="Could not open socket"):
        Somebody(switch.port, switch.user, switch.key_file)
    switch.power_on()
    with Somebody(switch.port, switch.user, switch.key_file) as again:
        assert b"Ethernet1" in again.running()


def test_paused_switch_answers_later(switch: AnySwitch, operator: Somebody) -> None:
    """A request to a switch that is paused waits until it goes on."""
    switch.pause()
    waiting = operator.ask_later("get_config", source="running")
    assert not waiting.event.wait(0.3)
    switch.resume()

    assert waiting.event.wait(30)
    assert b"Ethernet1" in waiting.reply.data_xml.encode()


def test_what_was_sent_is_kept(switch: AnySwitch) -> None:
    """Every edit can be looked at afterwards, as it was sent."""
    with Somebody(switch.port, switch.user, switch.key_file) as operator:
        operator.edit(vlan(108, "kept"))

    assert [values(payload, "name") for payload in switch.payloads] == [["default", "kept"]]
