"""The installed command `jackfield-arista driver`: one process from its settings to its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.waiting import wait_until

COMMAND = str(Path(sys.executable).with_name("jackfield-arista"))
INVENTORY = """\
credentials: {leafs: {username: jackfield, password: "env:LEAF_PASSWORD"}}
groups: {rack1: {physical_network: rack1}}
switches:
  leaf1: {address: 127.0.0.1, port: 9, credential: leafs, group: rack1}
"""


class DriverProcess:
    """The driver with a configuration file in a folder of its own; a context manager."""

    def __init__(self, directory: Path, inventory: str) -> None:
        self.socket, self.log, self.inventory = directory / "a.sock", directory / "log", directory / "inventory.yaml"
        self.inventory.write_text(inventory)
        config = directory / "arista.toml"
        config.write_text(
            f'[driver]\nlisten = "unix://{self.socket}"\nlog_json = true\n'
            f'[arista]\ninventory = "{self.inventory}"\nstate_directory = "{directory / "state"}"\n'
            "reload_interval = 60\n"
        )
        environment = os.environ | {"LEAF_PASSWORD": "hunter22secret"}
        with self.log.open("w") as log:
            arguments = [COMMAND, "driver", "--config", str(config)]
            self.process = subprocess.Popen(arguments, stdout=log, stderr=log, env=environment)

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Return what the log says of an event."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def __enter__(self) -> DriverProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder; the paths of a test's own are too long for sockets."""
    with tempfile.TemporaryDirectory(prefix="arista-") as folder:
        yield Path(folder)


def test_the_driver_serves_reloads_and_ends(folder: Path) -> None:
    """SIGHUP has the inventory read at once, a bad one is told, SIGTERM ends; no secret is logged."""
    with DriverProcess(folder, INVENTORY) as driver:
        wait_until(driver.socket.exists, what="the driver to listen", timeout=60)

        driver.inventory.write_text(INVENTORY.replace("group: rack1", "group: rack9"))
        driver.process.send_signal(signal.SIGHUP)
        wait_until(lambda: driver.lines("inventory.unusable"), what="the bad inventory to be told")
        driver.inventory.write_text(INVENTORY.replace("leaf1", "leaf2"))
        driver.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(driver.lines("inventory.read")) == 2, what="the good inventory to be read")

        driver.process.send_signal(signal.SIGTERM)
        assert driver.process.wait(60) == 0
        (told,) = driver.lines("inventory.unusable")
        assert told["faults"] == [f"{driver.inventory}:4: switches.leaf1.group: there is no group rack9"]
        assert "hunter22secret" not in driver.log.read_text()


def test_a_driver_without_an_inventory_says_why(folder: Path) -> None:
    """It ends at once with every fault and its line."""
    with DriverProcess(folder, INVENTORY.replace("address: 127.0.0.1", "adress: 127.0.0.1")) as driver:
        assert driver.process.wait(60) == 1

        assert driver.log.read_text().splitlines() == [
            f"{driver.inventory}:4: switches.leaf1.address: is missing",
            f"{driver.inventory}:4: switches.leaf1.adress: no such setting is known here",
        ]


def test_settings_that_are_wrong_are_named(folder: Path) -> None:
    """A field that is not there, and a value that cannot be."""
    config = folder / "arista.toml"
    config.write_text("[arista]\npatience = 0\nspeed = 7\n")

    done = subprocess.run(
        [COMMAND, "driver", "--config", str(config)], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 1
    assert "arista.patience: Input should be greater than 0" in done.stderr
    assert "arista.speed: Extra inputs are not permitted" in done.stderr
