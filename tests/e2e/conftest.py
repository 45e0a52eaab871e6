"""End-to-end tests: everything real, on hosts made of network namespaces.

They need root and Open vSwitch; without them every one is skipped with the
reason. A failed test shows the end of every log of its lab.
"""

import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from types import FrameType

import pytest
from e2e.lab import Lab, missing_requirements

LOG_TAIL_LINES = 60


def pytest_configure() -> None:
    """Let SIGTERM end the run like Ctrl-C: with everything removed."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


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
    lab = getattr(item, "funcargs", {}).get("lab")
    if report.failed and isinstance(lab, Lab):
        report.sections += [(f"log {path.relative_to(lab.run_directory)}", _tail(path)) for path in lab.log_files()]
    return report


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Start a lab of two hosts."""
    with Lab(hosts=2) as started:
        yield started
