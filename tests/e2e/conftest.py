"""End-to-end tests: everything real, on hosts made of network namespaces.

Those on hosts need root and Open vSwitch; without them they are skipped with the reason. A failed
test shows the end of every log of its lab.
"""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from e2e.lab import Lab, missing_requirements
from e2e.lab.cloud import Cloud, tail
from e2e.lab.control_plane import FABRIC, LINUX_BRIDGE, OVS
from e2e.lab.fleet import Fleet
from support.kernel import lacked_outside, skip_or_choose
from support.processes import interrupt_on_sigterm

FAILED = pytest.StashKey[bool]()


def pytest_configure() -> None:
    """Let SIGTERM end the run like Ctrl-C: with everything removed."""
    interrupt_on_sigterm()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark every test of this folder, and skip what this kernel cannot run."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
    skip_or_choose(config, items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the logs of the lab to the report of a failed test."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    lab = _lab_of(getattr(item, "funcargs", {}))
    if report.failed and lab is not None:
        report.sections += [(f"log {path.relative_to(lab.run_directory)}", tail(path)) for path in lab.log_files()]
    return report


def _lab_of(fixtures: dict[str, object]) -> Lab | None:
    for value in fixtures.values():
        if isinstance(value, Fleet):
            return value.cloud.lab
        if isinstance(value, Cloud):
            return value.lab
        if isinstance(value, Lab):
            return value
    return None


@pytest.fixture(scope="session")
def requirements() -> None:
    """Skip the test where no lab can run."""
    if lacks := missing_requirements():
        pytest.skip(f"needs {' and '.join(lacks)}")


@pytest.fixture
def lab(requirements: None) -> Iterator[Lab]:
    """Start a lab of two hosts."""
    with Lab(hosts=2) as started:
        yield started


@pytest.fixture(scope="session")
def fleet(requirements: None) -> Iterator[Fleet]:
    """Start hosts of both kinds; in a guest, where only mixed pairs run, one with Open vSwitch is enough."""
    hosts = 1 if lacked_outside() else 2
    with Cloud(hosts=hosts, bridge_hosts=2, drivers=[OVS, LINUX_BRIDGE]) as cloud:
        yield Fleet(cloud)


class Clouds:
    """Keeps one cloud for all tests that leave it as they found it; a failed one gets a new one."""

    def __init__(self) -> None:
        self._cloud: Cloud | None = None

    def take(self) -> Cloud:
        """Return the cloud, started if there is none."""
        if self._cloud is None:
            self._cloud = Cloud(hosts=2, drivers=[OVS, FABRIC]).start()
        return self._cloud

    def discard(self) -> None:
        """Remove the cloud, if there is one."""
        if self._cloud is not None:
            self._cloud.remove()
            self._cloud = None


@pytest.fixture(scope="session")
def clouds(requirements: None) -> Iterator[Clouds]:
    """Keep a cloud over the tests."""
    keeper = Clouds()
    yield keeper
    keeper.discard()


@pytest.fixture
def cloud(clouds: Clouds, request: pytest.FixtureRequest) -> Iterator[Cloud]:
    """Give an empty cloud: two hosts, the Open vSwitch driver, and a fabric that can refuse.

    What a test made is deleted after it, and the switches must then be as they were before it.
    """
    taken = clouds.take()
    try:
        yield taken
        if request.node.stash.get(FAILED, False):
            clouds.discard()
        else:
            taken.clear()
    except BaseException:
        clouds.discard()
        raise
