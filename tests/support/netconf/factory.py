"""The configuration of a switch that nobody has configured: its interfaces, and VLAN 1 on them.

What a switch reports and nobody configures (links that are up, neighbours that speak LLDP) comes with
it on request: the real server here has no hardware to ask, so to it this is configuration as well, and
its modules say so (``modules/``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

DOCUMENT = """\
<?xml version="1.0" encoding="UTF-8"?>
<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">
{parts}
</config>
"""
INTERFACES = '<interfaces xmlns="http://openconfig.net/yang/interfaces">{interfaces}</interfaces>'
INTERFACE = (
    "<interface><name>{name}</name>"
    '<config><name>{name}</name><type xmlns:ianaift="urn:ietf:params:xml:ns:yang:iana-if-type">ianaift:{type}</type>'
    "</config>{state}{switched}</interface>"
)
STATE = "<state><name>{name}</name><oper-status>{status}</oper-status></state>"
SWITCHED = (
    '<{container} xmlns="http://openconfig.net/yang/interfaces/{module}"><switched-vlan '
    'xmlns="http://openconfig.net/yang/vlan"><config><interface-mode>ACCESS</interface-mode>'
    "<access-vlan>1</access-vlan></config></switched-vlan></{container}>"
)
DEFAULT_INSTANCE = (
    '<network-instances xmlns="http://openconfig.net/yang/network-instance"><network-instance><name>default</name>'
    '<config><name>default</name><type xmlns:oc-ni-types="http://openconfig.net/yang/network-instance-types">'
    "oc-ni-types:DEFAULT_INSTANCE</type></config><vlans><vlan><vlan-id>1</vlan-id>"
    "<config><vlan-id>1</vlan-id><name>default</name></config></vlan></vlans></network-instance></network-instances>"
)
LLDP = '<lldp xmlns="http://openconfig.net/yang/lldp"><interfaces>{interfaces}</interfaces></lldp>'
NEIGHBOUR = (
    "<interface><name>{port}</name><config><name>{port}</name></config><neighbors><neighbor><id>1</id><state>"
    "<id>1</id><chassis-id>{chassis_id}</chassis-id><chassis-id-type>MAC_ADDRESS</chassis-id-type>"
    "<port-id>{port_id}</port-id><port-id-type>INTERFACE_NAME</port-id-type>"
    "<system-name>{system_name}</system-name></state></neighbor></neighbors></interface>"
)


@dataclass(frozen=True, slots=True)
class Heard:
    """What a neighbour says of itself by LLDP."""

    system_name: str
    port_id: str
    chassis_id: str = "02:00:00:00:00:01"


def configuration(ports: Iterable[str]) -> str:
    """Return the document; *ports* are names, ``Ethernet1`` or ``Port-Channel7``."""
    interfaces = "".join(_interface(name, "") for name in ports)
    return DOCUMENT.format(parts="\n".join([INTERFACES.format(interfaces=interfaces), DEFAULT_INSTANCE]))


def reported(ports: Iterable[str], neighbours: Mapping[str, Heard], down: Iterable[str] = ()) -> str:
    """Return the document with what a switch reports; *down* are ports without a link."""
    dark = set(down)
    states = {name: STATE.format(name=escape(name), status="DOWN" if name in dark else "UP") for name in ports}
    interfaces = "".join(_interface(name, state) for name, state in states.items())
    parts = [INTERFACES.format(interfaces=interfaces), DEFAULT_INSTANCE]
    if neighbours:
        parts.append(LLDP.format(interfaces="".join(_neighbour(*heard) for heard in neighbours.items())))
    return DOCUMENT.format(parts="\n".join(parts))


def is_channel(name: str) -> bool:
    """Return whether an interface is a port-channel, by its name."""
    return name.startswith("Port-Channel")


def _interface(name: str, state: str) -> str:
    container, module = ("aggregation", "aggregate") if is_channel(name) else ("ethernet", "ethernet")
    kind = "ieee8023adLag" if is_channel(name) else "ethernetCsmacd"
    switched = SWITCHED.format(container=container, module=module)
    return INTERFACE.format(name=escape(name), type=kind, state=state, switched=switched)


def _neighbour(port: str, heard: Heard) -> str:
    words = {"chassis_id": heard.chassis_id, "port_id": heard.port_id, "system_name": heard.system_name}
    return NEIGHBOUR.format(port=escape(port), **{name: escape(word) for name, word in words.items()})
