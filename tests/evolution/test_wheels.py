"""Releases get along: a driver of the oldest SDK with today's core, and the oldest core with today's driver."""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.reaper import owned

from evolution.recording import FOLDER, load
from evolution.site import Site
from evolution.story import tell
from evolution.subjects import SUBJECTS, in_release

WHEELS = Path(__file__).parent / "wheels"
RELEASES = sorted(path.name for path in WHEELS.iterdir() if path.is_dir())
LOOPBACK = SUBJECTS["loopback"]
PACKAGES = ("jackfield", "jackfield_sdk", "jackfield_core")


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Unpack the wheels of one release; what they depend on is that of today."""
    for wheel in (WHEELS / request.param).glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(tmp_path / "release")
    return tmp_path / "release"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder with a path short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix=owned("old"), dir="/tmp"))
    yield path
    shutil.rmtree(path)


def test_release_is_what_runs(release: Path) -> None:
    """On its path, Python imports the packages of the release and no others."""
    script = f"import {', '.join(PACKAGES)}; print(*(m.__path__[0] for m in ({', '.join(PACKAGES)})), sep='\\n')"
    found = subprocess.run(
        [sys.executable, "-c", script], env=_environment(release), capture_output=True, text=True, check=True
    )

    assert found.stdout.split() == [str(release / package) for package in PACKAGES]


async def test_driver_of_the_release_works_with_the_core_of_today(release: Path, folder: Path) -> None:
    """It is told everything, refuses what it refuses, and everything is acknowledged."""
    subject = in_release(LOOPBACK, str(release))
    with subject.process(folder / "d.sock", folder / "driver.log"):
        async with Site(subject.name, folder / "d.sock") as site:
            end = await tell(subject, site)

    assert _facts(end) == _expected()


async def test_core_of_the_release_works_with_the_driver_of_today(release: Path, folder: Path) -> None:
    """A core that knows less is served all the same."""
    with LOOPBACK.process(folder / "d.sock", folder / "driver.log"):
        core = [sys.executable, "-m", "jackfield_core"]
        async with Site(LOOPBACK.name, folder / "d.sock", command=core, environment=_environment(release)) as site:
            end = await tell(LOOPBACK, site)

    assert _facts(end) == _expected()


def test_wheels_of_a_release_are_complete_and_small() -> None:
    """Contract, SDK and core, built from a commit that is named; under a megabyte together."""
    assert RELEASES
    for name in RELEASES:
        wheels = list((WHEELS / name).glob("*.whl"))
        assert {wheel.name.split("-")[0] for wheel in wheels} == {"jackfield_proto", "jackfield_sdk", "jackfield_core"}
        assert {wheel.name.split("-")[1] for wheel in wheels} == {name}
        assert sum(wheel.stat().st_size for wheel in wheels) < 1_000_000
        assert len((WHEELS / name / "COMMIT").read_text().strip()) == 40


def _facts(end: dict[str, Any]) -> dict[str, Any]:
    """Return what every release has to get right; the driver's own state may look different tomorrow."""
    return {
        "answers": end["answers"],
        "acknowledged": {name: row["acknowledged"] for name, row in end["ledger"].items()},
        "revisions": end["revisions"],
        "vif_types": {name: binding["vif_type"] for name, binding in end["bindings"].items()},
    }


def _expected() -> dict[str, Any]:
    """Return how the story ends, as the first release told it."""
    return _facts(load(FOLDER / "0.1.0" / f"{LOOPBACK.name}.jsonl").end)


def _environment(release: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(release)}
