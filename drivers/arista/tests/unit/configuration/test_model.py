"""Trunks as the switch writes them."""

from __future__ import annotations

from arista_properties import TRIED
from hypothesis import given
from hypothesis import strategies as st
from jackfield_arista.configuration.model import Mode, SwitchPort, vlans_of, without

VLANS = st.integers(1, 4094)
ENTRIES = st.lists(
    st.builds(str, VLANS)
    | st.builds(
        lambda one, more, between: f"{one}{between}{min(one + more, 4094)}",
        VLANS,
        st.integers(0, 40),
        st.sampled_from(["..", "-"]),
    ),
    max_size=12,
)


@TRIED
@given(entries=ENTRIES, gone=st.frozensets(VLANS, max_size=40))
def test_taking_vlans_out_leaves_the_others(entries: list[str], gone: frozenset[int]) -> None:
    """What remains names the same ids but those, and entries that named none of them are as they were."""
    left = without(entries, gone)

    assert vlans_of(left) == vlans_of(entries) - gone
    untouched = [entry for entry in entries if vlans_of([entry]).isdisjoint(gone)]
    assert [entry for entry in left if entry in untouched] == untouched


def test_a_range_is_cut_where_a_vlan_goes() -> None:
    """The pieces are ranges and single ids again, in the form of the model."""
    assert without(["30", "2000-2005", "7"], frozenset({2003})) == ("30", "2000..2002", "2004..2005", "7")
    assert without(["2000..2002"], frozenset({2001})) == ("2000", "2002")


def test_a_trunk_without_a_list_carries_everything() -> None:
    """OpenConfig says so, and it is why a list is never emptied."""
    assert SwitchPort("Ethernet1", Mode.TRUNK).carries(4000)
    assert not SwitchPort("Ethernet1", Mode.TRUNK, trunk_vlans=frozenset({7})).carries(4000)
    assert SwitchPort("Ethernet1", Mode.ACCESS, access_vlan=9).carries(9)
    assert not SwitchPort("Ethernet1").carries(9)


def test_a_port_knows_whether_it_is_a_port_channel() -> None:
    """By its name, as EOS does."""
    assert SwitchPort("Port-Channel7").is_aggregate
    assert not SwitchPort("Ethernet7").is_aggregate
