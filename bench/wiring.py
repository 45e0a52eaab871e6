"""How long a port waits on its host: from the interface's appearance until the agent says that it is up.

Each kind of host has its own namespace, a real switch and a real agent (`bench.plugging`), and no
core: a report's way to it is part of other figures.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from e2e.lab.host import Host, Hypervisor
from e2e.lab.lab import Lab, missing_requirements

from bench.overhead import Figure

_SINGLE_LIMIT = 150.0
_BURST_LIMIT = 5.0
_PATIENCE = 300.0
_CHECKOUT = Path(__file__).resolve().parent.parent


def measure(*, rounds: int, burst: int, repeats: int) -> list[Figure]:
    """Return the figures of *rounds* single ports and of *burst* ports at once, *repeats* times."""
    if missing := missing_requirements():
        print(f"wiring: skipped, because this machine lacks {', '.join(missing)}", file=sys.stderr)
        return []
    answers: dict[str, list[dict[str, Any]]] = {"ovs": [], "linuxbridge": []}
    for _ in range(repeats):
        with Lab(hosts=1, bridge_hosts=1) as lab:
            for host in lab.all_hosts:
                answers[host.kind].append(_plugged(host, rounds, burst))
    return [figure for kind, answered in answers.items() for figure in _figures(kind, burst, answered)]


def _plugged(host: Hypervisor, rounds: int, burst: int) -> dict[str, Any]:
    settings: dict[str, Any] = {"tunnel_ip": host.tunnel_ip, "tunnel_types": ["vxlan"]}
    if isinstance(host, Host):
        switch = {"ovsdb": host.switch.connection, "openflow": f"unix:{host.directory}", "datapath_type": "netdev"}
        settings |= switch
    argv = [sys.executable, "-m", "bench.plugging", host.kind, json.dumps(settings), str(rounds), str(burst)]
    command = ["env", f"PYTHONPATH={_CHECKOUT}/tests:{_CHECKOUT}", *argv]
    answer: dict[str, Any] = json.loads(host.namespace.run(*command, timeout=_PATIENCE).splitlines()[-1])
    return answer


def _figures(kind: str, burst: int, answers: Sequence[dict[str, Any]]) -> list[Figure]:
    single = [seconds * 1000 for answer in answers for seconds in answer["single"]]
    at_once = [answer["burst"] for answer in answers]
    return [
        Figure(f"{kind}: a port is up after its interface appears", "ms", _SINGLE_LIMIT, single),
        Figure(f"{kind}: {burst} ports are up after their interfaces appear", "s", _BURST_LIMIT, at_once),
    ]
