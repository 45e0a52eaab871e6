"""Whatever a switch holds and whatever is wanted: what is foreign stays, what is wanted comes, and once is enough."""

from __future__ import annotations

from arista_properties import TRIED
from arista_switches import IS_OURS, name_of
from hypothesis import assume, given
from hypothesis import strategies as st
from jackfield_arista.configuration.difference import difference, obstacles
from jackfield_arista.configuration.edit import Edit, Wanted, WantedPort
from jackfield_arista.configuration.model import Configuration, Mode, SwitchPort, vlans_of

IDS = st.integers(1, 24)
PORTS = ("Ethernet1", "Ethernet2", "Port-Channel1")


@st.composite
def switch_ports(draw: st.DrawFn, name: str) -> SwitchPort:
    mode = draw(st.sampled_from([None, Mode.ACCESS, Mode.TRUNK]))
    if mode is not Mode.TRUNK:
        return SwitchPort(name, mode, access_vlan=draw(st.none() | IDS) if mode else None)
    ranges = draw(st.lists(st.tuples(IDS, st.integers(0, 3)), max_size=5))
    entries = tuple(str(first) if not more else f"{first}..{first + more}" for first, more in ranges)
    return SwitchPort(name, mode, None, draw(st.none() | IDS), vlans_of(entries), entries=entries)


@st.composite
def configurations(draw: st.DrawFn) -> Configuration:
    """A switch with VLANs of ours, of others, and ports with all kinds of them."""
    ids = draw(st.sets(IDS, max_size=16))
    vlans = {id: draw(st.sampled_from([name_of(id), name_of(id + 100), "storage", ""])) for id in ids}
    mapped = draw(st.sets(st.sampled_from(sorted(ids)), max_size=4)) if ids else set()
    vnis = {id: draw(st.integers(5000, 5003)) for id in mapped}
    carriers = {id: draw(st.sampled_from([vlans[id] or "other", "other"])) for id in mapped}
    return Configuration(vlans, {name: draw(switch_ports(name)) for name in PORTS}, vnis, carriers)


@st.composite
def wishes(draw: st.DrawFn) -> Wanted:
    """What is wanted: some ports with VLANs of ours, some with nothing of ours, some not looked at."""
    ports: dict[str, WantedPort | None] = {}
    for name in draw(st.sets(st.sampled_from(PORTS))):
        kind = draw(st.sampled_from([None, *Mode]))
        if kind is Mode.ACCESS:
            ports[name] = WantedPort(name, kind, access_vlan=draw(IDS))
        elif kind is Mode.TRUNK:
            members = draw(st.frozensets(IDS, max_size=6))
            ports[name] = WantedPort(name, kind, native_vlan=draw(st.none() | IDS), trunk_vlans=members)
        else:
            ports[name] = None
    carried = {vlan for port in ports.values() if port is not None for vlan in port.vlans}
    vlans = {vlan: name_of(vlan) for vlan in carried | draw(st.sets(IDS, max_size=4))}
    vnis = {vlan: draw(st.integers(5000, 5003)) for vlan in vlans if draw(st.booleans())}
    restore = {name: draw(switch_ports(name)) for name in ports if draw(st.booleans())}
    return Wanted(vlans, ports, vnis, restore, frozenset(draw(st.sets(IDS))) | vlans.keys())


def possible(current: Configuration, wanted: Wanted) -> Edit:
    assume(not list(obstacles(current, wanted, IS_OURS)))
    return difference(current, wanted, IS_OURS)


def foreign_members(port: SwitchPort, current: Configuration) -> frozenset[int]:
    """Return what of a trunk nobody can take for ours: VLANs that others have named."""
    return frozenset(vlan for vlan in port.trunk_vlans if vlan in current.vlans and not IS_OURS(current.vlans[vlan]))


@TRIED
@given(current=configurations(), wanted=wishes())
def test_foreign_vlans_are_never_in_an_edit(current: Configuration, wanted: Wanted) -> None:
    """Neither as themselves nor on a trunk, whose entries of others stay in their order."""
    edit = possible(current, wanted)

    for vlan in edit.vlans:
        assert vlan not in current.vlans or IS_OURS(current.vlans[vlan])
    for change in edit.ports.values():
        theirs = foreign_members(change.before, current)
        assert theirs <= change.after.trunk_vlans or change.before.mode is not Mode.TRUNK
        kept = [entry for entry in change.before.trunk_entries if vlans_of([entry]) <= theirs]
        assert [entry for entry in change.after.trunk_entries if entry in kept] == kept
    for vlan in edit.vnis:
        assert IS_OURS(current.carriers.get(vlan) or current.vlans.get(vlan, name_of(vlan))) or vlan in wanted.vnis


@TRIED
@given(current=configurations(), wanted=wishes())
def test_an_edit_makes_what_is_wanted_and_leaves_nothing_to_do(current: Configuration, wanted: Wanted) -> None:
    """Afterwards every wish is true, nothing of ours that nobody wants is left in the scope, and no edit remains."""
    edit = possible(current, wanted)

    after = edit.applied_to(current)

    assert after.vlans.items() >= wanted.vlans.items()
    ours = {vlan for vlan, name in after.vlans.items() if IS_OURS(name)}
    assert ours & wanted.scope <= wanted.vlans.keys()
    for name, port in wanted.ports.items():
        seen, carried = after.port(name), port.vlans if port is not None else frozenset()
        assert all(seen.carries(vlan) for vlan in carried)
        assert port is None or not carried or seen.mode is port.mode
        # A port keeps what it had on its list before us.
        before_us = wanted.restore.get(name, SwitchPort(name)).trunk_vlans
        assert seen.trunk_vlans & ours & wanted.scope <= carried | before_us
    assert all(after.vnis[vlan] == vni for vlan, vni in wanted.vnis.items())
    assert difference(after, wanted, IS_OURS).is_empty
    assert edit.missing_from(after) == ()


@TRIED
@given(current=configurations(), wanted=wishes())
def test_no_port_becomes_a_trunk_of_everything(current: Configuration, wanted: Wanted) -> None:
    """A trunk without a list is one only if it, or the port before us, was one."""
    for name, change in possible(current, wanted).ports.items():
        before_us = wanted.restore.get(name)
        was = change.before.carries_all or (before_us is not None and before_us.carries_all)
        assert was or not change.after.carries_all


@TRIED
@given(current=configurations(), wanted=wishes())
def test_an_edit_and_its_opposite_change_nothing(current: Configuration, wanted: Wanted) -> None:
    """What is taken back is as it was, entry by entry."""
    edit = possible(current, wanted)

    back = edit.undone().applied_to(edit.applied_to(current))

    assert back == current
    assert {name: port.entries for name, port in back.ports.items()} == {
        name: port.entries for name, port in current.ports.items()
    }
    assert bool(edit.lines()) is not edit.is_empty
