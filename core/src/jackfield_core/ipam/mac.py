"""MAC addresses: reading them, and making up new ones."""

import random
import re

from jackfield_core.errors import Invalid

_SEPARATORS = re.compile(r"[:.-]")
_FORMS = re.compile(
    r"([0-9a-f]{2}:){5}[0-9a-f]{2}|([0-9a-f]{2}-){5}[0-9a-f]{2}|([0-9a-f]{4}\.){2}[0-9a-f]{4}|[0-9a-f]{12}"
)


def generate(base_mac: str) -> str:
    """Return a random address that begins with *base_mac*, three bytes such as ``"fa:16:3e"``."""
    tail = random.getrandbits(24)
    return f"{base_mac}:{tail >> 16:02x}:{tail >> 8 & 255:02x}:{tail & 255:02x}"


def parse(text: str) -> str:
    """Return an address in canonical form, lower-case with colons.

    The forms with dashes, with dots (``fa16.3e00.0001``) and without
    separators are read too.

    Raises:
        Invalid: *text* is no address, or one that no port can have: zero or multicast.
    """
    lower = text.lower()
    digits = _SEPARATORS.sub("", lower)
    if not _FORMS.fullmatch(lower) or not int(digits, 16) or int(digits[:2], 16) & 1:
        raise Invalid(f"Invalid input for mac_address. Reason: '{text}' is not a valid MAC address.")
    return ":".join(digits[place : place + 2] for place in range(0, 12, 2))
