"""What a driver declares follows from what its class overrides."""

from __future__ import annotations

from jackfield_sdk import Action, BindCapability, Interest, Kind, MechanismDriver, Phase


class Bare(MechanismDriver):
    name = "bare"


class Partial(MechanismDriver):
    name = "partial"
    network_types = frozenset({"vlan"})
    max_levels = 2

    def create_network_precommit(self, context):
        return None

    def create_port_postcommit(self, context):
        return None

    async def update_port_postcommit(self, context):
        return None

    def bind_port(self, context):
        return None


class Whole(MechanismDriver):
    name = "whole"


for kind in Kind:
    for action in Action:
        for phase in Phase:
            setattr(Whole, f"{action}_{kind}_{phase}", lambda self, context: None)


def test_a_driver_that_overrides_nothing_is_called_for_nothing():
    """No hook, no interest, no binding."""
    assert Bare().interests() == ()
    assert Bare().bind_capability() is None


def test_every_overridden_hook_is_declared_and_no_other():
    """The product of each interest is exactly the hooks of the class."""
    declared = {
        (interest.kind, action, phase)
        for interest in Partial().interests()
        for action in interest.actions
        for phase in interest.phases
    }

    assert declared == {
        (Kind.NETWORK, Action.CREATE, Phase.PRECOMMIT),
        (Kind.PORT, Action.CREATE, Phase.POSTCOMMIT),
        (Kind.PORT, Action.UPDATE, Phase.POSTCOMMIT),
    }


def test_phases_with_the_same_actions_share_one_interest():
    """A driver that wants everything says so in three interests."""
    everything = [Interest(kind, frozenset(Action), frozenset(Phase)) for kind in Kind]

    assert list(Whole().interests()) == everything


def test_a_driver_that_binds_declares_its_bounds():
    """The class attributes bound what `bind_port` is asked for."""
    assert Partial().bind_capability() == BindCapability(frozenset({"vlan"}), frozenset(), 2)


def test_an_inherited_hook_counts_as_overridden():
    """A vendor may put hooks into a base class of his own."""

    class Derived(Partial):
        name = "derived"

    assert Derived().interests() == Partial().interests()
