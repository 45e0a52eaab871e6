"""Times on the wire: UTC, to the second."""

from datetime import datetime


def moment(at: datetime) -> str:
    """Return a time as Neutron writes it: ``2026-11-21T11:00:00Z``."""
    return f"{at.isoformat(timespec='seconds')}Z"
