"""The command ``jackfield driver release``, and how a quarantine is shown."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from jackfield_core import config
from jackfield_core.db import migrate
from jackfield_core.db.base import now
from jackfield_core.db.driver import DriverTable
from jackfield_core.db.engine import Database
from jackfield_core.mechanism.answers import Handshake
from jackfield_core.mechanism.record import garbled, introduced


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """Write settings of two drivers that are away; one of them is in quarantine."""
    url = f"sqlite:///{tmp_path}/jackfield.sqlite"
    asyncio.run(_prepare(config.Database(url=url)))
    path = tmp_path / "jackfield.toml"
    drivers = "".join(
        f'[[drivers]]\nname = "{name}"\nendpoints = ["unix://{tmp_path}/a", "unix://{tmp_path}/b"]\n'
        for name in ("good", "bad")
    )
    path.write_text(f'[database]\nurl = "{url}"\n[mechanism]\nhandshake_timeout = 30\n{drivers}')
    return path


async def _prepare(settings: config.Database) -> None:
    await migrate.upgrade(settings)
    database = Database(settings)
    bad = introduced("bad", Handshake("1.0", "an-instance"), now(), None)
    for _ in range(3):
        bad = garbled(bad, "it did not answer 1 of 1", now())
    async with database.writing() as connection:
        await DriverTable(connection).save(bad)
    await database.close()


def run(*arguments: str | Path) -> tuple[int, str]:
    """Run ``jackfield driver``; return its status and all that it printed."""
    command = [sys.executable, "-m", "jackfield_core", "driver", *arguments]
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=180
    )
    return result.returncode, result.stdout


def test_quarantine_is_shown_until_it_is_released(config_file: Path) -> None:
    """The list tells reason and version; after the release it tells nothing of it."""
    before = {one["name"]: one for one in json.loads(run("list", "--json", "--config", config_file)[1])}
    assert (before["bad"]["state"], before["good"]["state"]) == ("quarantined", "not reachable")
    assert before["bad"]["quarantine"]["reason"] == "it did not answer 1 of 1"
    assert before["bad"]["quarantine"]["version"] == "1.0"
    assert [one["condition"] for one in before["bad"]["endpoints"]] == ["not reachable"] * 2

    status, output = run("release", "bad", "--config", config_file)

    assert (status, "is released" in output, "it did not answer 1 of 1" in output) == (0, True, True), output
    after = {one["name"]: one for one in json.loads(run("list", "--json", "--config", config_file)[1])}
    assert (after["bad"]["state"], after["bad"]["quarantine"]) == ("not reachable", None)


@pytest.mark.parametrize(("name", "answer"), [("good", (0, "was not quarantined")), ("ugly", (2, "no driver"))])
def test_release_of_another_driver_says_so(config_file: Path, name: str, answer: tuple[int, str]) -> None:
    """Nothing to release is no fault; a driver that is not in the settings is one."""
    status, output = run("release", name, "--config", config_file)

    assert (status, answer[1] in output) == (answer[0], True), output
