"""How careful an edit is: the health of the switch, switches that can do less, and what survives a restart."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from arista_switches import IS_OURS, SAFETY, access, edit_for, make, open_session, trunk, wanted
from jackfield_arista.configuration.difference import difference
from jackfield_arista.device.errors import NotSaved, NotTaken, RpcFailed, UnhealthyAfterCommit
from jackfield_arista.device.namespaces import ARISTA_CLI, ARISTA_VXLAN
from jackfield_arista.device.session import Safety, Session
from jackfield_sdk import Effect
from support.netconf import FakeSwitch, Heard, RpcError
from support.netconf.speaker import CAPABILITIES
from support.waiting import wait_until

PORTS = (trunk("Ethernet1", 100), access("Ethernet2", 101))
RUNNING = replace(SAFETY, datastore="running")
SPINE = {"Ethernet3": Heard("spine-1", "Ethernet7")}


@contextmanager
def a_switch(folder: Path, *, without: tuple[str, ...] = (), also: tuple[str, ...] = ()) -> Iterator[FakeSwitch]:
    """Give a switch that announces less, or more, than others."""
    capabilities = [one for one in CAPABILITIES if not any(word in one for word in without)]
    with FakeSwitch(folder / "fake", neighbours=SPINE, capabilities=(*capabilities, *also)) as switch:
        yield switch


def lose_the_uplink(switch: FakeSwitch) -> None:
    switch.down.add("Ethernet3")


def lose_the_spine(switch: FakeSwitch) -> None:
    switch.neighbours.clear()


def refuse_logins(switch: FakeSwitch) -> None:
    switch._doorman.close()


@pytest.mark.parametrize(
    ("harm", "fact"),
    [
        (lose_the_uplink, "uplink Ethernet3 is down"),
        (lose_the_spine, "LLDP neighbour spine-1 of Ethernet3 is gone"),
        (refuse_logins, "Connection refused"),
    ],
)
@pytest.mark.parametrize("datastore", ["candidate", "running"])
def test_a_change_that_does_harm_is_taken_back(fake_switch: FakeSwitch, harm, fact: str, datastore: str) -> None:
    """Whatever is lost is named, and the switch is as before."""
    before = fake_switch.running()
    with open_session(fake_switch) as session:
        edit = edit_for(session.read(), *PORTS)
        fake_switch.after_next_change(lambda: harm(fake_switch))

        with pytest.raises(UnhealthyAfterCommit, match=fact):
            session.apply(edit, replace(SAFETY, datastore=datastore))

        assert session.alive
    assert fake_switch.running() == before


def test_a_link_may_take_a_moment_to_come_back(fake_switch: FakeSwitch) -> None:
    """Within the patience of whoever asked."""
    with open_session(fake_switch) as session:
        look, looks = session._look, itertools.count()

        def look_twice() -> object:
            # The second look, the first after the change, is the bad one.
            fake_switch.down = {"Ethernet3"} if next(looks) == 1 else set()
            return look()

        session._look = look_twice  # type: ignore[method-assign, assignment]
        made = make(session, *PORTS, safety=replace(SAFETY, patience=30))

    assert 100 in made.vlans


def test_what_was_down_before_stops_nobody(fake_switch: FakeSwitch) -> None:
    """A switch with a broken uplink needs its changes as well."""
    fake_switch.down.add("Ethernet3")
    with open_session(fake_switch) as session:
        assert 100 in make(session, *PORTS).vlans


def test_a_switch_without_lldp_is_edited_all_the_same(fake_switch: FakeSwitch) -> None:
    """It cannot say how it is."""
    fake_switch.faults.refuse("get", RpcError("unknown-namespace"), times=2)

    with open_session(fake_switch) as session:
        assert 100 in make(session, *PORTS).vlans


def test_a_switch_without_trials_takes_a_bad_change_back_by_its_opposite(folder: Path) -> None:
    """And makes a good one."""
    with a_switch(folder, without=("confirmed-commit",)) as switch, open_session(switch) as session:
        before = switch.running()
        edit = edit_for(session.read(), *PORTS)
        switch.after_next_change(lambda: lose_the_uplink(switch))

        with pytest.raises(UnhealthyAfterCommit):
            session.apply(edit, SAFETY)
        assert switch.running() == before

        assert 100 in session.apply(edit, SAFETY).vlans
        assert "confirm" not in switch.operations


def test_a_switch_of_the_old_trials_ends_them_with_the_session(folder: Path) -> None:
    """Confirmed commits of version 1.0 cannot be cancelled, so the session is given up."""
    old = "urn:ietf:params:netconf:capability:confirmed-commit:1.0"
    with a_switch(folder, without=("confirmed-commit",), also=(old,)) as switch, open_session(switch) as session:
        before, edit = switch.running(), edit_for(session.read(), *PORTS)
        switch.after_next_change(lambda: lose_the_uplink(switch))

        with pytest.raises(UnhealthyAfterCommit):
            session.apply(edit, SAFETY)

        assert not session.alive
        wait_until(lambda: switch.running() == before, what="the change to be taken back")


def test_the_running_configuration_can_be_edited_at_once(fake_switch: FakeSwitch) -> None:
    """For switches whose candidate cannot be trusted: the same result, without a commit, byte for byte back."""
    before = fake_switch.running()
    with open_session(fake_switch) as session:
        factory = session.read()

        made = make(session, *PORTS, safety=RUNNING)
        assert made.ports["Ethernet1"].trunk_vlans == {100}
        session.apply(difference(made, replace(wanted(), restore=dict(factory.ports)), IS_OURS), RUNNING)

    assert fake_switch.running() == before
    assert "commit" not in fake_switch.operations


@pytest.mark.parametrize("rolls_back", [True, False])
def test_a_refused_edit_of_the_running_configuration_says_what_may_be_left(folder: Path, *, rolls_back: bool) -> None:
    """Nothing, if the switch takes an edit as a whole."""
    without = () if rolls_back else ("rollback-on-error",)
    with a_switch(folder, without=without) as switch, open_session(switch) as session:
        switch.faults.refuse("edit-config", RpcError("operation-failed"))

        with pytest.raises(RpcFailed) as refused:
            make(session, *PORTS, safety=RUNNING)

    assert refused.value.effect is (Effect.NONE if rolls_back else Effect.PARTIAL)


def test_an_edit_of_the_running_configuration_is_read_back(fake_switch: FakeSwitch) -> None:
    """As every other."""
    with open_session(fake_switch) as session:
        fake_switch.faults.ignore("edit-config")

        with pytest.raises(NotTaken):
            make(session, *PORTS, safety=RUNNING)


def survives(switch: FakeSwitch) -> bool:
    switch.reboot()
    with open_session(switch) as session:
        return 100 in session.read().vlans


def test_a_change_is_gone_after_a_restart_if_it_is_not_to_be_saved(fake_switch: FakeSwitch) -> None:
    """An operator may want it so."""
    with open_session(fake_switch) as session:
        make(session, *PORTS, safety=replace(SAFETY, save="never"))

    assert not survives(fake_switch)


@pytest.mark.parametrize(
    ("save", "without", "also", "operation"),
    [
        ("startup", (), (), "copy-config"),
        ("startup", ("startup",), (f"{ARISTA_CLI}?module=arista-cli",), "edit-config"),
        ("cli", (), (), "edit-config"),
    ],
)
def test_a_change_is_saved_in_the_way_that_the_switch_has(
    folder: Path, save: str, without: tuple[str, ...], also: tuple[str, ...], operation: str
) -> None:
    """By copying, or by EOS's own command."""
    with a_switch(folder, without=without, also=also) as switch:
        with open_session(switch) as session:
            make(session, *PORTS, safety=replace(SAFETY, save=save))

        assert switch.operations[switch.operations.index("confirm") + 1] == operation
        assert survives(switch)


def test_a_change_that_could_not_be_saved_is_true_all_the_same(fake_switch: FakeSwitch) -> None:
    """The error says so, and saving can be made up for."""
    with open_session(fake_switch) as session:
        fake_switch.faults.refuse("copy-config", RpcError("resource-denied", "flash is full"))

        with pytest.raises(NotSaved, match=r"made, and not saved.*flash is full") as unsaved:
            make(session, *PORTS)

        assert unsaved.value.effect is Effect.PARTIAL
        assert edit_for(session.read(), *PORTS).is_empty
        session.save(SAFETY)

    assert survives(fake_switch)


def test_a_switch_that_cannot_save_says_so(folder: Path) -> None:
    """It announces neither way."""
    with (
        a_switch(folder, without=("startup",)) as switch,
        open_session(switch) as session,
        pytest.raises(NotSaved, match="neither a startup configuration nor a command line"),
    ):
        make(session, *PORTS)


def test_a_switch_with_its_own_model_of_vxlan_is_told_in_that(folder: Path) -> None:
    """EOS announces it when a session starts."""
    native = f"{ARISTA_VXLAN}?module=arista-exp-eos-vxlan&amp;revision=2023-11-01"
    with FakeSwitch(folder / "fake", ports=("Ethernet1", "Vxlan1"), capabilities=(*CAPABILITIES, native)) as switch:
        before = switch.running()
        with open_session(switch) as session:
            made = _make_alone(session)
            gone = session.apply(difference(made, replace(wanted(), ports={}), IS_OURS), Safety())

        assert made.vnis == {100: 5000}
        assert made.carriers == {}
        assert gone.vnis == {}
        assert b"L2VSI" not in b"".join(switch.payloads)
        assert b"vlan-to-vni>" not in switch.running().replace(before, b"")


def _make_alone(session: Session) -> object:
    wishes = replace(wanted(trunk("Ethernet1", 100), vnis={100: 5000}), ports={"Ethernet1": trunk("Ethernet1", 100)})
    return session.apply(difference(session.read(), wishes, IS_OURS), Safety())
