"""Hosts and machines out of network namespaces, with a real Open vSwitch on every host.

Needs root and Open vSwitch (`missing_requirements` says what is lacking). ``tests/`` is on
pytest's ``pythonpath``, so this is ``import e2e.lab``. ``make lab`` leaves one running to play with.
"""

from e2e.lab.host import Host
from e2e.lab.lab import Lab, missing_requirements
from e2e.lab.machine import Machine, Vif
from e2e.lab.ping import PingReport
from e2e.lab.sweep import leftovers

__all__ = ["Host", "Lab", "Machine", "PingReport", "Vif", "leftovers", "missing_requirements"]
