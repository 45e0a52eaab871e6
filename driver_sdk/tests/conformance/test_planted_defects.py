"""Drivers with one defect each are caught by the rule that they break, and by no other."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from conformance_runs import Judged, WarmSuite, planted_drivers
from jackfield_sdk.examples.loopback import hands
from planted import DEFECTS, HELD_UP, SOUND, SOUND_ON_A_DEVICE, TWO_LEVELS, Defect
from support.reaper import owned

TOGETHER = [SOUND, TWO_LEVELS, HELD_UP, *[defect for defect in DEFECTS if not defect.alone and not defect.device]]


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    """Serve all drivers that may share a process; their addresses by name."""
    with planted_drivers([defect.name for defect in TOGETHER]) as told:
        yield told


def judge_alone(defect: Defect, suite: WarmSuite, folder: Path, *arguments: str) -> Judged:
    """Run the suite on a driver in a process of its own, with hands at its device if it has one."""
    with tempfile.TemporaryDirectory(prefix=owned("planted")) as name:
        address, params = f"unix://{name}/0.sock", folder / "params.toml"
        at_hand = f"{sys.executable} {hands.__file__}"
        commands = {"change_command": "change", "remove_command": "remove"} if defect.device else {}
        lines = [f'{key} = "{at_hand} {verb} {name}/0.sock.db {{kind}} {{id}}"' for key, verb in commands.items()]
        params.write_text("\n".join(lines))
        command = f"{sys.executable} -m planted '{defect.name}' {address}"
        told = ["--endpoint", address, "--command", command, "--params", str(params), "--seed", "7"]
        return suite.judge(folder, *told, "--only", defect.only, *arguments)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: f"{defect.rule} {defect.name}")
def test_a_defect_is_caught_by_its_rule(
    defect: Defect, suite: WarmSuite, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The rule that a driver breaks fails, and no other rule does."""
    if defect.alone or defect.device:
        judged = judge_alone(defect, suite, tmp_path)
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


def test_a_sound_driver_on_a_busy_host_conforms(suite: WarmSuite, addresses: dict[str, str], tmp_path: Path) -> None:
    """A driver that was late once is asked again, and is not blamed for what the host did to it."""
    judged = suite.judge(tmp_path, "--endpoint", addresses[HELD_UP.name], "--only", HELD_UP.only)

    assert judged.code == 0, judged.output
    assert judged.rules("passed") == {"A9", "D9"}
    slow = {case["rule"] for case in judged.report["cases"] if case["seconds"] > 1.1}
    assert slow == {"A9", "D9"}


def test_the_sound_driver_sees_what_hands_do(suite: WarmSuite, tmp_path: Path) -> None:
    """With commands that change its device, nothing of group G is left to judge."""
    judged = judge_alone(replace(SOUND_ON_A_DEVICE, only="G"), suite, tmp_path)

    assert judged.code == 0, judged.output
    assert judged.rules("passed") >= {f"G{number}" for number in range(1, 12)} - {"G2"}


def test_a_driver_that_binds_in_two_levels_conforms(
    suite: WarmSuite, addresses: dict[str, str], tmp_path: Path
) -> None:
    """Only such a driver has its word about the next level judged."""
    judged = suite.judge(tmp_path, "--endpoint", addresses[TWO_LEVELS.name], "--only", "D")

    assert judged.code == 0, judged.output
    assert "D6" in judged.rules("passed")
