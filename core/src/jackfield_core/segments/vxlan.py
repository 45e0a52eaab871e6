"""VXLAN networks (RFC 7348)."""

from jackfield_core.segments.tunnel import TunnelTypeDriver


class VxlanTypeDriver(TunnelTypeDriver):
    """Gives VXLAN network identifiers."""

    network_type = "vxlan"
    largest = (1 << 24) - 1
    # UDP 8, VXLAN 8, inner Ethernet 14.
    header = 30
