"""The OpenFlow rules of each bridge, as values."""
