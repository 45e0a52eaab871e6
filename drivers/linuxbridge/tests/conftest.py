"""Makes the lab importable, and hosts out of it; skips where it cannot run."""

from __future__ import annotations

import itertools
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from jackfield_sdk import PortView
from linuxbridge_lab import AgentProcess, Guest, Host, Namespace, Underlay, what_is_missing
from support.kernel import skip_or_choose
from support.pinging import Pings


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs namespaces where there are none."""
    missing = what_is_missing()
    for item in items:
        if item.get_closest_marker("functional") and "linuxbridge" in str(item.path) and missing:
            item.add_marker(pytest.mark.skip(reason=missing))
    skip_or_choose(config, items)


_Made = TypeVar("_Made")


class Lab:
    """Makes hosts, guests and agents, and ends them in reverse."""

    def __init__(self) -> None:
        self._tag = "l" + secrets.token_hex(2)
        self._numbers = itertools.count(1)
        self._made: list[Any] = []

    def underlay(self) -> Underlay:
        return self._keep(Underlay(f"{self._tag}u"))

    def host(self, underlay: Underlay | None = None) -> Host:
        number = next(self._numbers)
        host = self._keep(Host(f"{self._tag}h{number}", number))
        if underlay is not None:
            underlay.join(host)
        return host

    def hosts(self, count: int) -> list[Host]:
        underlay = self.underlay()
        return [self.host(underlay) for _ in range(count)]

    def guest(self, host: Host, port: PortView) -> Guest:
        return self._keep(Guest(f"{self._tag}g{next(self._numbers)}", host, port))

    def agent(self, host: Host, **settings: Any) -> AgentProcess:
        return self._keep(AgentProcess(host, **settings))

    def pinging(self, namespace: Namespace, address: str) -> Pings:
        return self._keep(Pings(namespace.name, address))

    def _keep(self, made: _Made) -> _Made:
        self._made.append(made)
        return made

    def close(self) -> None:
        for made in reversed(self._made):
            if not isinstance(made, AgentProcess):
                made.close()
            elif made.running:
                made.stop()


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Give a lab and clean it away."""
    lab = Lab()
    yield lab
    lab.close()
