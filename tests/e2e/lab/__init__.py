"""Hosts and machines out of network namespaces, with a real Open vSwitch on every host.

Needs root and Open vSwitch (`missing_requirements` says what is lacking). ``tests/`` and
``tests/e2e/`` are on pytest's ``pythonpath``. ``python -m lab`` leaves one running to play with.
"""

from lab.host import Host
from lab.lab import Lab, missing_requirements
from lab.machine import Machine, Vif
from lab.ping import PingReport
from lab.sweep import leftovers, sweep

__all__ = ["Host", "Lab", "Machine", "PingReport", "Vif", "leftovers", "missing_requirements", "sweep"]
