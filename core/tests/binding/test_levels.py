"""The search for a binding, without drivers or a database."""

import pytest
from jackfield_core.binding.levels import MAX_LEVELS, Ask, Candidate, Found, Search, Want
from jackfield_core.db.driver import BindCapability
from jackfield_core.mechanism.answers import Bound, NextLevel, Skip, Veto
from jackfield_core.types import BindingLevel


def candidate(name, network_types=(), vnic_types=(), max_levels=1):
    """Return a driver."""
    return Candidate(name, BindCapability(tuple(network_types), tuple(vnic_types), max_levels))


@pytest.fixture
def play():
    """Return a function that answers a search's steps by a script and returns result, failures and asks."""

    def play(search, script):
        dialogue, asks = search.run(), []
        reply = None
        try:
            while True:
                step = dialogue.send(reply)
                asks.append(step)
                reply = script(step)
        except StopIteration as end:
            return end.value, search.failures, asks

    return play


def test_first_driver_that_binds_wins(segment, play):
    """Drivers are asked in order, and nobody is asked after one has bound."""
    search = Search([candidate("a"), candidate("b"), candidate("c")], "normal", (segment("s"),))
    script = {"a": Skip("not mine"), "b": Bound("s", "ovs", {"k": 1}, wired=False)}

    found, _, asks = play(search, lambda ask: script[ask.driver])

    assert found == Found((BindingLevel(0, "b", "s"),), "ovs", {"k": 1}, wired=False)
    assert [ask.driver for ask in asks] == ["a", "b"]


def test_every_reason_is_kept(segment, play):
    """When nobody binds, each driver's reason is known, whether it was asked or not."""
    drivers = [
        candidate("vlan-only", network_types=["vlan"]),
        candidate("direct-only", vnic_types=["direct"]),
        candidate("skips"),
        candidate("mute"),
        candidate("away"),
    ]
    script = {"skips": Skip("no agent on host-1"), "mute": Skip(""), "away": "it is connecting"}

    found, failures, asks = play(Search(drivers, "normal", (segment("s"),)), lambda ask: script[ask.driver])

    assert found is None
    assert [ask.driver for ask in asks] == ["skips", "mute", "away"]
    assert {failure["driver"]: failure["reason"] for failure in failures} == {
        "vlan-only": "it does not bind the network types of this level: vxlan",
        "direct-only": 'it does not bind VNIC type "normal"',
        "skips": "no agent on host-1",
        "mute": "it does not bind this port and gave no reason",
        "away": "it is connecting",
    }


def test_only_fitting_segments_are_offered(segment, play):
    """A driver sees the segments of its own network types."""
    segments = (segment("v", "vlan"), segment("x", "vxlan"))
    search = Search([candidate("a", network_types=["vxlan"])], "normal", segments)

    _, _, asks = play(search, lambda _: Skip(""))

    assert [one.id for one in asks[0].segments] == ["x"]


def test_next_level_is_offered_what_was_wanted(segment, play):
    """A driver that binds one level gets a segment for the next, which the drivers are then asked for."""
    drivers = [candidate("fabric", network_types=["vxlan"]), candidate("ovs", network_types=["vlan"])]

    def script(step):
        if isinstance(step, Want):
            return segment("leaf", "vlan")
        return NextLevel("s", "vlan", "leaf1") if step.driver == "fabric" else Bound("leaf", "ovs", {}, wired=False)

    found, _, asks = play(Search(drivers, "normal", (segment("s"),)), script)

    assert found.levels == (BindingLevel(0, "fabric", "s"), BindingLevel(1, "ovs", "leaf"))
    assert asks[1] == Want("vlan", "leaf1")
    assert asks[2].level == 1
    assert asks[2].bound_levels == (BindingLevel(0, "fabric", "s"),)


def test_level_that_nobody_binds_gives_up_the_one_above(segment, play):
    """When the lower level fails, the next driver of the upper level has its turn."""
    drivers = [candidate("fabric", network_types=["vxlan"]), candidate("ovs", network_types=["vxlan"])]

    def script(step):
        if isinstance(step, Want):
            return segment("leaf", "vlan")
        return NextLevel("s", "vlan", None) if step.driver == "fabric" else Bound("s", "ovs", {}, wired=False)

    found, failures, _ = play(Search(drivers, "normal", (segment("s"),)), script)

    assert found.levels == (BindingLevel(0, "ovs", "s"),)
    assert {(failure["level"], failure["segment_id"]) for failure in failures} == {(1, "leaf")}


def test_veto_ends_the_search(segment, play):
    """After a veto nobody else is asked, at whatever level it was."""
    drivers = [candidate("fabric"), candidate("ovs")]

    def script(step):
        if isinstance(step, Want):
            return segment("leaf", "vlan")
        return NextLevel("s", "vlan", None) if step.driver == "fabric" else Veto("the host is locked")

    found, failures, asks = play(Search(drivers, "normal", (segment("s"),)), script)

    assert found is None
    assert failures[-1] == {"driver": "ovs", "level": 1, "segment_id": "leaf", "reason": "the host is locked"}
    assert len(asks) == 3


def test_driver_does_not_bind_the_same_segment_twice(segment, play):
    """A driver that wants the segment again which it has bound already is not asked for it."""
    search = Search([candidate("loop", max_levels=9)], "normal", (segment("s"),))

    found, failures, asks = play(
        search, lambda step: segment("s") if isinstance(step, Want) else NextLevel("s", "vxlan", None)
    )

    assert found is None
    assert [step for step in asks if isinstance(step, Ask)] == asks[:1]
    assert failures == [
        {"driver": "loop", "level": 1, "segment_id": "s", "reason": "it has bound this segment already"}
    ]


def test_driver_takes_part_in_as_many_levels_as_it_declared(segment, play):
    """A driver of one level is not asked for a second one."""
    search = Search([candidate("once")], "normal", (segment("s"),))

    _, failures, _ = play(
        search, lambda step: segment("t") if isinstance(step, Want) else NextLevel("s", "vxlan", None)
    )

    assert failures == [
        {"driver": "once", "level": 1, "segment_id": "t", "reason": "it takes part in 1 level(s) of a binding"}
    ]


def test_levels_are_bounded(segment, play):
    """A driver that always wants one more level is stopped."""
    search = Search([candidate("tower", max_levels=99)], "normal", (segment("0"),))
    numbers = iter(range(1, 99))

    found, failures, asks = play(
        search,
        lambda step: (
            segment(str(next(numbers))) if isinstance(step, Want) else NextLevel(step.segments[0].id, "vxlan", None)
        ),
    )

    assert found is None
    assert sum(isinstance(step, Ask) for step in asks) == MAX_LEVELS
    assert failures[0]["reason"] == "it wants more than 10 levels"


def test_segment_that_cannot_be_had_is_a_reason(segment, play):
    """Without a segment for the next level the driver above is given up, with the reason."""
    search = Search([candidate("fabric")], "normal", (segment("s"),))

    found, failures, _ = play(
        search, lambda step: "no VLAN is left" if isinstance(step, Want) else NextLevel("s", "vlan", None)
    )

    assert found is None
    assert failures[0]["reason"] == "no segment for the next level: no VLAN is left"
