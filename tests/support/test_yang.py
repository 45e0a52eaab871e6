"""The judge of payloads tells right from wrong."""

import pytest

from support import yang

LACKS = yang.missing_requirements()
pytestmark = pytest.mark.skipif(bool(LACKS), reason=f"needs {' and '.join(LACKS)}")
PORT = (
    '<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0">'
    '<interfaces xmlns="http://openconfig.net/yang/interfaces"><interface><name>Ethernet1</name><config>'
    '<name>Ethernet1</name><type xmlns:i="urn:ietf:params:xml:ns:yang:iana-if-type">i:ethernetCsmacd</type></config>'
    '<ethernet xmlns="http://openconfig.net/yang/interfaces/ethernet"><switched-vlan '
    'xmlns="http://openconfig.net/yang/vlan"><config>{leaves}</config></switched-vlan></ethernet></interface>'
    "</interfaces></config>"
)
TRUNK = "<interface-mode>TRUNK</interface-mode>"


@pytest.mark.parametrize(
    "leaves",
    [
        f"{TRUNK}<trunk-vlans>101</trunk-vlans><trunk-vlans>200..205</trunk-vlans>",
        # Gone with the mode, so it may stand beside another.
        f'{TRUNK}<access-vlan nc:operation="remove">1</access-vlan>',
    ],
)
def test_valid_payload_passes(leaves: str) -> None:
    """What the models allow is nobody's complaint."""
    yang.check([PORT.format(leaves=leaves)])


@pytest.mark.parametrize(
    ("leaves", "complaint"),
    [
        (f"{TRUNK}<trunk-vlans>4095</trunk-vlans>", "4095"),
        (f'{TRUNK}<trunk-vlans nc:operation="remove">4095</trunk-vlans>', "4095"),
        (f"{TRUNK}<access-vlan>1</access-vlan>", "When condition"),
        ("<vlan>1</vlan>", 'Node "vlan" not found'),
    ],
    ids=["value", "value that goes", "condition", "name"],
)
def test_payload_that_the_models_do_not_allow_is_shown(leaves: str, complaint: str) -> None:
    """One wrong payload among right ones is found, and the error says what is wrong with it."""
    right, wrong = (PORT.format(leaves=these) for these in (TRUNK, leaves))
    with pytest.raises(yang.InvalidPayload, match=complaint) as error:
        yang.check([right, wrong])
    assert leaves.rpartition("<")[2].rstrip(">") in str(error.value)
