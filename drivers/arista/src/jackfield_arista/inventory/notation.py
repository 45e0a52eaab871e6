"""One spelling for what people, switches and Ironic spell in many ways.

A chassis is known by a MAC address, which EOS writes `001c.7300.0001`, Linux `00:1c:73:00:00:01` and
others with dashes or with nothing. An interface is called `Et7` by a person and `Ethernet7` by the
models. Here both get the one spelling in which they are compared, or a ValueError that says what
was expected.
"""

from __future__ import annotations

import re

_HEX = re.compile(r"[0-9a-f]{12}")
_SEPARATORS = str.maketrans("", "", ":-. ")
# Slots and ports: 7, 7/1, 3/7/1.
_INTERFACE = re.compile(r"([a-z][a-z-]*?)[ -]?(\d+(?:/\d+)*)", re.IGNORECASE)
_KINDS = ("Ethernet", "Port-Channel")
_LONGEST_NUMBER = 32


def canonical_chassis(text: str) -> str:
    """Return a MAC address, in whatever notation it is given, in lower case with colons."""
    digits = text.strip().lower().removeprefix("0x").translate(_SEPARATORS)
    if not _HEX.fullmatch(digits):
        raise ValueError("must be a MAC address, such as 00:1c:73:00:00:01 or 001c.7300.0001")
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def find_chassis(text: str) -> str | None:
    """Return a MAC address in the one spelling, None if *text* is no MAC address."""
    try:
        return canonical_chassis(text)
    except ValueError:
        return None


def canonical_port(text: str) -> str:
    """Return the name of an interface or port-channel as the models spell it: `Ethernet7`, `Port-Channel7`.

    EOS understands every beginning of a name that is unique, so does this.
    """
    match = _INTERFACE.fullmatch(text.strip())
    kind = match and _kind(match[1])
    if not match or not kind or len(match[2]) > _LONGEST_NUMBER:
        raise ValueError("must be an interface or a port-channel, such as Ethernet7, Ethernet3/7/1 or Port-Channel7")
    return f"{kind}{match[2]}"


def find_port(text: str) -> str | None:
    """Return the name of an interface in the one spelling, None if *text* is none."""
    try:
        return canonical_port(text)
    except ValueError:
        return None


def is_lag(port: str) -> bool:
    """Tell whether a port in the one spelling is a port-channel."""
    return port.startswith("Port-Channel")


def port_order(port: str) -> list[tuple[int, str]]:
    """Return a key that sorts `Ethernet9` before `Ethernet10`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", port)]


def short_host(name: str) -> str:
    """Return the name of a host without its domain, in lower case."""
    return name.lower().partition(".")[0]


def same_host(one: str, other: str) -> bool:
    """Tell whether two names are one host's; LLDP often has the name without its domain, or with."""
    if short_host(one) != short_host(other):
        return False
    return one.lower() == other.lower() or "." not in one or "." not in other


def _kind(beginning: str) -> str | None:
    letters = beginning.lower().replace("-", "")
    found = [kind for kind in _KINDS if kind.lower().replace("-", "").startswith(letters)]
    return found[0] if len(found) == 1 else None
