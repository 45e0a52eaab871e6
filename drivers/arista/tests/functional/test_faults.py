"""Whatever goes wrong while an edit is made: the switch is as before or as wanted, and the error says which."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from arista_switches import SAFETY, access, edit_for, hurry, make, open_session, trunk
from jackfield_arista.configuration.edit import Edit
from jackfield_arista.device.errors import CommitLost, LockHeld, NotTaken, RpcFailed, SwitchError, Unreachable
from jackfield_arista.device.session import Session
from jackfield_sdk import Effect
from support.netconf import KINDS, FakeSwitch, RpcError
from support.waiting import wait_until

LOCKED = ("lock-denied", "in-use")
PORTS = (trunk("Ethernet1", 100), access("Ethernet2", 101))


@pytest.fixture
def session(fake_switch: FakeSwitch) -> Iterator[Session]:
    with open_session(fake_switch) as session:
        yield session


def is_wanted(switch: FakeSwitch) -> bool:
    with open_session(switch) as session:
        return edit_for(session.read(), *PORTS).is_empty


def make_with_patience(switch: FakeSwitch) -> None:
    """Make it in a new session, as whoever retries does: the lock of a dead session may take a moment to go."""

    def is_made() -> bool:
        try:
            with open_session(switch) as session:
                make(session, *PORTS)
        except LockHeld:
            return False
        return True

    wait_until(is_made, what="the lock of the dead session")


@pytest.mark.parametrize("tag", KINDS)
def test_every_kind_of_refusal_changes_nothing(fake_switch: FakeSwitch, session: Session, tag: str) -> None:
    """At the edit, the commit and the confirmation: told with tag, path and words, and the next try is free."""
    before = fake_switch.running()
    refusal = RpcError(tag, f"because of {tag}", path="/interfaces/interface", info={"session-id": "17"})

    for operation in ("edit-config", "commit", "confirm"):
        fake_switch.faults.refuse(operation, refusal)
        with pytest.raises(LockHeld if tag in LOCKED else RpcFailed, match="leaf") as refused:
            make(session, *PORTS)
        said = "session 17 holds" if tag in LOCKED else f"{tag} at /interfaces/interface: because of {tag}"
        assert said in refused.value.reason
        assert fake_switch.running() == before

    make(session, *PORTS)
    assert is_wanted(fake_switch)


def test_a_reply_with_several_errors_is_told_in_full(fake_switch: FakeSwitch, session: Session) -> None:
    """Each with its own tag and path; warnings among them are left out."""
    errors = (
        RpcError("invalid-value", "old", severity="warning"),
        RpcError("invalid-value", "out of range", path="/vlans/vlan[vlan-id='7']"),
        RpcError("access-denied", "not you"),
    )
    fake_switch.faults.refuse("edit-config", *errors)

    with pytest.raises(RpcFailed) as refused:
        make(session, *PORTS)

    assert [(one.tag, one.path, one.message) for one in refused.value.refusals] == [
        ("invalid-value", "/vlans/vlan[vlan-id='7']", "out of range"),
        ("access-denied", "", "not you"),
    ]


def test_a_warning_fails_nothing(fake_switch: FakeSwitch, session: Session) -> None:
    """EOS warns, and does it."""
    fake_switch.faults.refuse("unlock", RpcError("operation-failed", "slow today", severity="warning"))

    make(session, *PORTS)

    assert session.alive
    assert is_wanted(fake_switch)


@pytest.mark.parametrize(
    ("operation", "kind", "effect"),
    [
        ("lock", Unreachable, Effect.NONE),
        ("edit-config", Unreachable, Effect.NONE),
        ("commit", CommitLost, Effect.MAYBE),
        ("confirm", CommitLost, Effect.MAYBE),
    ],
)
@pytest.mark.parametrize("when", ["cut_before", "cut_after"])
def test_a_session_that_is_cut_leaves_all_or_nothing(
    fake_switch: FakeSwitch, session: Session, when: str, operation: str, kind: type[SwitchError], effect: Effect
) -> None:
    """Before the commit nothing has changed; at it nobody can know, and only a confirmation that arrived counts."""
    before = fake_switch.running()
    getattr(fake_switch.faults, when)(operation)

    with pytest.raises(kind) as lost:
        make(session, *PORTS)

    assert lost.value.effect is effect
    if (operation, when) == ("confirm", "cut_after"):
        assert is_wanted(fake_switch)
    else:
        patience = 20.0 if kind is CommitLost else 0.0
        wait_until(lambda: fake_switch.running() == before, what="all to be as before", timeout=patience)
    make_with_patience(fake_switch)
    assert is_wanted(fake_switch)


def test_a_session_cut_while_it_looks_back_is_on_trial_still(fake_switch: FakeSwitch, session: Session) -> None:
    """The change ends with the session."""
    before = fake_switch.running()
    fake_switch.after_next_change(lambda: fake_switch.faults.cut_before("get-config"))

    with pytest.raises(CommitLost, match="on trial"):
        make(session, *PORTS)

    wait_until(lambda: fake_switch.running() == before, what="the change to be taken back")


def test_a_commit_without_an_answer_is_lost(fake_switch: FakeSwitch, session: Session) -> None:
    """Waiting ends, and so does the trial."""
    edit, commit = edit_for(session.read(), *PORTS), session._netconf.commit

    def commit_in_a_hurry(*, trial: int | None = None) -> None:
        hurry(session)
        commit(trial=trial)

    session._netconf.commit = commit_in_a_hurry  # type: ignore[method-assign]
    fake_switch.faults.hang("commit")

    with pytest.raises(CommitLost, match="did not answer in time"):
        session.apply(edit, SAFETY)

    # The switch wakes up.
    fake_switch.cut()
    make_with_patience(fake_switch)
    assert is_wanted(fake_switch)


def test_an_edit_of_nothing_asks_for_nothing(fake_switch: FakeSwitch, session: Session) -> None:
    """Nobody's lock stands in its way."""
    with fake_switch.lock_elsewhere():
        assert session.apply(Edit(), SAFETY) == session.read()


@pytest.mark.parametrize("operation", ["edit-config", "commit"])
def test_a_switch_that_only_says_yes_is_found_out(fake_switch: FakeSwitch, session: Session, operation: str) -> None:
    """Its configuration is read back, and what is missing is named."""
    before = fake_switch.running()
    fake_switch.faults.ignore(operation)

    with pytest.raises(NotTaken, match=r"VLAN 100: .* is missing"):
        make(session, *PORTS)

    assert fake_switch.running() == before
    make_with_patience(fake_switch)
    assert is_wanted(fake_switch)


def test_a_lock_of_somebody_else_is_waited_for_by_who_retries(fake_switch: FakeSwitch, session: Session) -> None:
    """The session stays good, so the next try is cheap."""
    with fake_switch.lock_elsewhere() as holder, pytest.raises(LockHeld) as held:
        make(session, *PORTS)

    assert held.value.session_id == holder
    make(session, *PORTS)
    assert is_wanted(fake_switch)


def test_an_edit_of_many_things_is_one_request_and_one_commit(fake_switch: FakeSwitch, session: Session) -> None:
    """However many, and whatever they are."""
    ports = (trunk("Ethernet1", *range(100, 300)), access("Ethernet2", 300), trunk("Port-Channel1", 301))

    make(session, *ports, vnis={301: 5000})

    assert [fake_switch.operations.count(one) for one in ("edit-config", "commit", "confirm")] == [1, 1, 1]


def test_nothing_is_left_behind_by_an_edit_that_failed(fake_switch: FakeSwitch, session: Session) -> None:
    """Somebody else's edit does not bring it along."""
    fake_switch.faults.refuse("commit", RpcError("resource-denied"))
    with pytest.raises(SwitchError):
        make(session, *PORTS)

    session.apply(Edit(ports=edit_for(session.read(), access("Ethernet2", 101)).ports), SAFETY)

    assert set(session.read().vlans) == {1}
