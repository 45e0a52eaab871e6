"""Switches that speak NETCONF, for tests: `NetconfSwitch` is a real server behind a real sshd."""

from support.netconf.factory import Heard
from support.netconf.switch import NetconfSwitch, missing_requirements

__all__ = ["Heard", "NetconfSwitch", "missing_requirements"]
