"""The XML namespaces and identities of what is sent and read, by the prefixes of their YANG modules."""

from __future__ import annotations

from typing import Final

from lxml import etree

NC: Final = "urn:ietf:params:xml:ns:netconf:base:1.0"
INTERFACES: Final = "http://openconfig.net/yang/interfaces"
ETHERNET: Final = "http://openconfig.net/yang/interfaces/ethernet"
AGGREGATE: Final = "http://openconfig.net/yang/interfaces/aggregate"
VLAN: Final = "http://openconfig.net/yang/vlan"
NETWORK_INSTANCE: Final = "http://openconfig.net/yang/network-instance"
LLDP: Final = "http://openconfig.net/yang/lldp"
# Arista's own modules: what EOS has instead of openconfig-evpn, and its command line.
ARISTA_VXLAN: Final = "http://arista.com/yang/experimental/eos/vxlan"
ARISTA_CLI: Final = "http://arista.com/yang/cli"

IDENTITIES: Final = {
    "ianaift": "urn:ietf:params:xml:ns:yang:iana-if-type",
    "oc-ni-types": "http://openconfig.net/yang/network-instance-types",
    "oc-evpn-types": "http://openconfig.net/yang/evpn-types",
}


def child(parent: etree._Element, namespace: str, name: str, text: object = None) -> etree._Element:
    """Add an element, with text if there is any."""
    element = etree.SubElement(parent, f"{{{namespace}}}{name}", nsmap={None: namespace})
    if text is not None:
        element.text = str(text)
    return element
