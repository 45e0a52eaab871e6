"""What the tests of the house share: the series that a process of the core tells."""

import importlib
import pkgutil

import jackfield_core
import pytest
from prometheus_client import REGISTRY


@pytest.fixture(scope="session")
def series() -> dict[str, set[str]]:
    """Return the labels of every series that a process of the core tells, by name."""
    for module in pkgutil.walk_packages(jackfield_core.__path__, "jackfield_core."):
        if not module.name.endswith("__main__") and ".migrations" not in module.name:
            importlib.import_module(module.name)
    found: dict[str, set[str]] = {}
    for collector in set(REGISTRY._collector_to_names):
        labels = set(getattr(collector, "_labelnames", ()))
        found |= dict.fromkeys(REGISTRY._collector_to_names[collector], labels)
    return found
