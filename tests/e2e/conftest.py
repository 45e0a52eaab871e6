"""End-to-end tests: everything real, on hosts made of network namespaces.

They need root and Open vSwitch; without them every one is skipped with the reason. A failed test
shows the end of every log of its lab.
"""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from e2e.lab import Lab, missing_requirements
from e2e.lab.cloud import Cloud
from e2e.lab.control_plane import FABRIC, OVS
from support.processes import interrupt_on_sigterm

LOG_TAIL_LINES = 60


def pytest_configure() -> None:
    """Let SIGTERM end the run like Ctrl-C: with everything removed."""
    interrupt_on_sigterm()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, and skip them where no lab can run."""
    here = Path(__file__).parent
    lacks = missing_requirements()
    for item in items:
        if here not in item.path.parents:
            continue
        item.add_marker(pytest.mark.e2e)
        if lacks:
            item.add_marker(pytest.mark.skip(reason=f"needs {' and '.join(lacks)}"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the logs of the lab to the report of a failed test."""
    report = yield
    lab = _lab_of(getattr(item, "funcargs", {}))
    if report.failed and lab is not None:
        report.sections += [(f"log {path.relative_to(lab.run_directory)}", _tail(path)) for path in lab.log_files()]
    return report


def _lab_of(fixtures: dict[str, object]) -> Lab | None:
    for value in fixtures.values():
        if isinstance(value, Cloud):
            return value.lab
        if isinstance(value, Lab):
            return value
    return None


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Start a lab of two hosts."""
    with Lab(hosts=2) as started:
        yield started


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """Start a cloud of two hosts, with the Open vSwitch driver and a fabric that can refuse."""
    with Cloud(hosts=2, drivers=[OVS, FABRIC]) as started:
        yield started
