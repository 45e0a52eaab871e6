"""GRE networks: Ethernet over GRE with a key (RFC 2784, RFC 2890)."""

from jackfield_core.segments.tunnel import TunnelTypeDriver


class GreTypeDriver(TunnelTypeDriver):
    """Gives GRE keys."""

    network_type = "gre"
    largest = (1 << 32) - 1
    # GRE with key 8, inner Ethernet 14.
    header = 22
