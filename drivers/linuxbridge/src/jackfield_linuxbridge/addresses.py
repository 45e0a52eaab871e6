"""Addresses as the SDK spells them."""

from jackfield_sdk.addresses import canonical_block, canonical_ip, canonical_mac, link_local

__all__ = ["canonical_block", "canonical_ip", "canonical_mac", "link_local"]
