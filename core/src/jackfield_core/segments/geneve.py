"""Geneve networks (RFC 8926)."""

from jackfield_core.segments.tunnel import TunnelTypeDriver


class GeneveTypeDriver(TunnelTypeDriver):
    """Gives Geneve network identifiers."""

    network_type = "geneve"
    largest = (1 << 24) - 1
    # UDP 8, Geneve 8, inner Ethernet 14, and one option of 8 bytes. Neutron's
    # default of 30 has no room for an option, so that everybody who runs OVN,
    # which sends one in every packet, has to raise it to 38 by hand; and a
    # network's MTU can be lowered later, but hardly raised.
    header = 38
