"""MAC addresses, read and made up."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jackfield_core.errors import Invalid
from jackfield_core.ipam import mac


@pytest.mark.parametrize(
    "text", ["fa:16:3e:00:0a:01", "FA:16:3E:00:0A:01", "fa-16-3e-00-0a-01", "fa16.3e00.0a01", "fa163e000a01"]
)
def test_every_spelling_becomes_one(text):
    """Clients write addresses in several ways; the database has one."""
    assert mac.parse(text) == "fa:16:3e:00:0a:01"


@pytest.mark.parametrize(
    "text",
    ["", "fa:16:3e:00:0a", "fa:16:3e:00:0a:01:02", "fa:16-3e:00:0a:01", "ga:16:3e:00:0a:01", "00:00:00:00:00:00",
     "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "fa:16:3e:00:0a:01\n", "\u0661a:16:3e:00:0a:01"],
)  # fmt: skip
def test_what_is_no_address_of_a_port_is_refused(text):
    """Nonsense, zero and multicast are the user's mistake."""
    with pytest.raises(Invalid, match="mac_address"):
        mac.parse(text)


def test_generated_addresses_keep_their_base_and_differ():
    """Three bytes are the operator's, three are random."""
    made = {mac.generate("fa:16:3e") for _ in range(1000)}

    assert len(made) > 990
    assert all(re.fullmatch(r"fa:16:3e(:[0-9a-f]{2}){3}", one) for one in made)


@given(st.binary(min_size=6, max_size=6))
def test_reading_accepts_exactly_unicast_addresses(raw):
    """Any six bytes are an address of a port unless they are zero or multicast."""
    text = raw.hex(":")

    if raw[0] & 1 or not any(raw):
        with pytest.raises(Invalid):
            mac.parse(text)
    else:
        assert mac.parse(text) == text
