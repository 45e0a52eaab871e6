"""What the kernel can is found out without a trace."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from support.kernel import lacking

pytestmark = pytest.mark.functional

_ASK = """
import json
from jackfield_sdk import RetryLater
from jackfield_linuxbridge.capabilities import unsupported
try:
    print(json.dumps(unsupported()))
except RetryLater as error:
    print(error.reason)
"""


def test_what_the_kernel_cannot_is_known_and_nothing_is_made(lab: Any) -> None:
    """VLAN and GRE devices are unsupported where no such device can be made, and the probe leaves none."""
    host = lab.host()
    kinds = {"vlan": "vlan", "gretap": "gre"}

    answer = json.loads(host.exec(sys.executable, "-c", _ASK))

    assert set(answer) == {network_type for kind, network_type in kinds.items() if kind in lacking()}
    assert "jackfield-probe" not in host.links()


def test_who_may_not_make_devices_is_told(lab: Any) -> None:
    """Without the right to make devices nothing can be known, which is another thing than a kernel that cannot."""
    host = lab.host()

    answer = host.exec("setpriv", "--bounding-set=-net_admin", sys.executable, "-c", _ASK, check=False)

    assert answer == "the agent may make no devices: it needs CAP_NET_ADMIN\n"
