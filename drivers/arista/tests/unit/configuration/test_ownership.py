"""Whose a VLAN is, told from its name."""

from __future__ import annotations

import uuid

import pytest
from arista_properties import TRIED
from arista_switches import NETWORK
from hypothesis import given
from hypothesis import strategies as st
from jackfield_arista.configuration.ownership import mark, network_of, owner


@TRIED
@given(deployment=st.text(min_size=1), network=st.uuids())
def test_a_name_says_whose_network_it_is(deployment: str, network: uuid.UUID) -> None:
    """A network's id comes back from the name of its VLAN, and EOS takes the name."""
    name = mark(deployment, str(network))

    assert network_of(deployment, name) == str(network)
    assert len(name.encode()) <= 32
    assert name.isascii()


@TRIED
@given(name=st.text(max_size=40) | st.from_regex(r"jf[0-9a-f]{6}_[A-Za-z0-9_-]{22}", fullmatch=True))
def test_only_our_own_spelling_is_ours(name: str) -> None:
    """A name is ours if and only if we would give it to some network."""
    network = network_of("blue", name)

    assert network is None or mark("blue", network) == name


def test_deployments_leave_each_other_alone() -> None:
    """A VLAN of another deployment is somebody else's."""
    name = mark("blue", NETWORK)

    assert owner("blue")(name)
    assert not owner("green")(name)


@pytest.mark.parametrize("name", ["", "default", "jf", "storage", "jf00ff00_short", mark("blue", NETWORK) + "x"])
def test_other_names_are_not_ours(name: str) -> None:
    """What operators call their VLANs is theirs."""
    assert not owner("blue")(name)


def test_the_last_character_has_one_spelling() -> None:
    """Two bits more fit into 22 characters than a UUID has, and they do not make a name ours."""
    name = mark("blue", str(uuid.UUID(int=0)))

    assert name.endswith("A")
    assert network_of("blue", name[:-1] + "B") is None
