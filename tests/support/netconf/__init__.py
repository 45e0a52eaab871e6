"""Switches that speak NETCONF, for tests: one that is real, one that fails on demand.

`NetconfSwitch` is a real server with real datastores behind a real sshd. `FakeSwitch` is a server of
our own in this process, for what no real one does when it is asked to.
"""

from support.netconf.factory import Heard
from support.netconf.fake import FakeSwitch
from support.netconf.refusals import KINDS, RpcError
from support.netconf.switch import NetconfSwitch, missing_requirements

__all__ = ["KINDS", "FakeSwitch", "Heard", "NetconfSwitch", "RpcError", "missing_requirements"]
