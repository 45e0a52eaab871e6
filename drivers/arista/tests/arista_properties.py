"""How hard properties are tried: the same examples each time, however busy the machine is."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

TRIED = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
