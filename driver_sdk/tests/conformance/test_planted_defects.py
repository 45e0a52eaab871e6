"""Drivers with one defect each are caught by the rule that they break, and by no other."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance_runs import WarmSuite, planted_drivers
from planted import DEFECTS, SOUND, Defect

TOGETHER = [SOUND, *[defect for defect in DEFECTS if not defect.alone]]


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    """Serve all drivers that may share a process; their addresses by name."""
    with planted_drivers([defect.name for defect in TOGETHER]) as told:
        yield told


@pytest.fixture(scope="module")
def suite() -> Iterator[WarmSuite]:
    """Have the suite imported once for all runs."""
    suite = WarmSuite()
    yield suite
    suite.close()


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: f"{defect.rule} {defect.name}")
def test_a_defect_is_caught_by_its_rule(
    defect: Defect, suite: WarmSuite, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The rule that a driver breaks fails, and no other rule does."""
    if defect.alone:
        with tempfile.TemporaryDirectory(prefix="planted-") as folder:
            address = f"unix://{folder}/0.sock"
            command = f"{sys.executable} -m planted '{defect.name}' {address}"
            judged = suite.judge(
                tmp_path, "--endpoint", address, "--command", command, "--only", defect.only, "--seed", "7"
            )
    else:
        address = request.getfixturevalue("addresses")[defect.name]
        judged = suite.judge(tmp_path, "--endpoint", address, "--only", defect.only, "--seed", "7")

    assert judged.rules("failed") == {defect.rule}, judged.output
    assert judged.code == 1
    assert f"{defect.rule} " in judged.output


def test_the_sound_driver_conforms(suite: WarmSuite, addresses: dict[str, str], tmp_path: Path) -> None:
    """The driver that all others were made from breaks no rule."""
    judged = suite.judge(tmp_path, "--endpoint", addresses[SOUND.name])

    assert judged.rules("failed") == set(), judged.output
    assert judged.code == 0
    assert len(judged.rules("passed")) > 50
