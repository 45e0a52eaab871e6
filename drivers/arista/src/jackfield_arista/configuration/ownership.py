"""Whose a VLAN is, told from its name alone.

A VLAN of ours is called `jf`, six digits that stand for the deployment, `_`, and the network's UUID in
22 characters: 31 of the 32 that EOS allows. So the switch itself says what belongs to whom, also to a
driver that has lost its memory, and two deployments on one switch leave each other's VLANs alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import uuid
from collections.abc import Callable

_NAME = re.compile(r"jf(?P<deployment>[0-9a-f]{6})_(?P<network>[A-Za-z0-9_-]{22})")


def mark(deployment_id: str, network_id: str) -> str:
    """Return the name of a network's VLAN. ValueError for a network that is not named by a UUID."""
    return f"jf{_digits(deployment_id)}_{_short(uuid.UUID(network_id))}"


def network_of(deployment_id: str, name: str) -> str | None:
    """Return the id of the network whose VLAN has this name; None for every name that is not ours."""
    match = _NAME.fullmatch(name)
    if match is None or match["deployment"] != _digits(deployment_id):
        return None
    try:
        network = uuid.UUID(bytes=base64.urlsafe_b64decode(match["network"] + "=="))
    except (ValueError, binascii.Error):
        return None
    # The last character holds two bits more than the UUID has: only one of the spellings is ours.
    return str(network) if _short(network) == match["network"] else None


def owner(deployment_id: str) -> Callable[[str], bool]:
    """Return what tells whether a VLAN of this name is ours."""
    return lambda name: network_of(deployment_id, name) is not None


def _digits(deployment_id: str) -> str:
    return hashlib.sha256(deployment_id.encode()).hexdigest()[:6]


def _short(network: uuid.UUID) -> str:
    return base64.urlsafe_b64encode(network.bytes).decode().rstrip("=")
