"""Frames of LLDP are read by the rules of IEEE 802.1AB, or dropped as a whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jackfield_sdk import lldp
from support.lldp import (
    CHASSIS_ID,
    END,
    INTERFACE_NAME,
    ORGANIZATION,
    PORT_ID,
    SYSTEM_NAME,
    TIME_TO_LIVE,
    announcement,
    frame,
    mandatory,
    tlv,
)

CHASSIS = "00:1c:73:00:00:01"
THREE = mandatory(CHASSIS, "Ethernet7")


def test_an_announcement_names_switch_and_port():
    """Chassis, port, time to live and system name are read; padding and unknown TLVs are passed over."""
    unknown = tlv(ORGANIZATION, b"\x00\x80\xc2\x01\x00\x01")

    plain = lldp.parse(announcement(CHASSIS, "Ethernet7", ttl=90, name="leaf1"))
    more = lldp.parse(frame(*THREE, unknown, unknown, END))

    assert plain == lldp.Announcement(CHASSIS, "Ethernet7", 90, "leaf1")
    assert more == lldp.Announcement(CHASSIS, "Ethernet7", 120, "")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"\x04\x00\x1c\x73\xab\xcd\xef", "00:1c:73:ab:cd:ef"),
        (b"\x05\x01\xc0\x00\x02\x07", "192.0.2.7"),
        (b"\x05\x02" + bytes.fromhex("20010db8") + bytes(11) + b"\x01", "2001:db8::1"),
        (b"\x07leaf1\x00", "leaf1"),
        (b"\x07a\x1bb\xff", "a\ufffdb\ufffd"),
    ],
)
def test_a_chassis_is_written_as_switches_print_it(value, text):
    """MAC and IP addresses become canonical text, and names carry nothing that disturbs a terminal."""
    assert lldp.parse(frame(tlv(CHASSIS_ID, value), *THREE[1:], END)).chassis_id == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"\x03\x00\x1c\x73\xab\xcd\xef", "00:1c:73:ab:cd:ef"),
        (b"\x05Ethernet3/7/1", "Ethernet3/7/1"),
        (b"\x0742", "42"),
    ],
)
def test_a_port_is_written_as_switches_print_it(value, text):
    """A port may be a MAC address, an interface's name or a number of the vendor's."""
    assert lldp.parse(frame(THREE[0], tlv(PORT_ID, value), THREE[2], END)).port_id == text


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(announcement(CHASSIS, "Ethernet7")[:20], id="cut off in the chassis"),
        pytest.param(frame(*THREE), id="no end"),
        pytest.param(frame(THREE[1], THREE[0], THREE[2], END), id="port before chassis"),
        pytest.param(frame(*THREE[:2], END), id="no time to live"),
        pytest.param(frame(*THREE, THREE[0], END), id="two chassis"),
        pytest.param(frame(*THREE, tlv(SYSTEM_NAME, b"a"), tlv(SYSTEM_NAME, b"b"), END), id="two names"),
        pytest.param(frame(tlv(CHASSIS_ID, b"\x04"), *THREE[1:], END), id="empty chassis"),
        pytest.param(frame(tlv(CHASSIS_ID, b"\x04\x00\x1c"), *THREE[1:], END), id="short MAC address"),
        pytest.param(frame(THREE[0], tlv(PORT_ID, INTERFACE_NAME + b"  "), THREE[2], END), id="blank port"),
        pytest.param(frame(THREE[0], tlv(PORT_ID, b"\x07" + b"x" * 256), THREE[2], END), id="endless port"),
        pytest.param(frame(*THREE[:2], tlv(TIME_TO_LIVE, b"\x78"), END), id="short time to live"),
        pytest.param(announcement(CHASSIS, "Ethernet7").replace(b"\x88\xcc", b"\x08\x00"), id="not LLDP"),
    ],
)
def test_a_frame_that_breaks_a_rule_is_dropped(broken):
    """Nobody acts on half of a frame."""
    with pytest.raises(lldp.Malformed):
        lldp.parse(broken)


@given(payload=st.binary(max_size=200))
def test_no_frame_breaks_the_reader(payload):
    """Whatever comes from the wire is read, or Malformed."""
    try:
        said = lldp.parse(frame(payload))
    except lldp.Malformed:
        return
    assert said.chassis_id.isprintable()
    assert said.port_id.isprintable()
    assert 0 <= said.ttl < 2**16
