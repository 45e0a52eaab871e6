"""The installed command `jackfield-arista driver`: one process from its settings to its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from jackfield_arista.configuration.model import SwitchPort
from jackfield_arista.memory.memory import MEMORY, Memory
from support.reaper import owned
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
    with tempfile.TemporaryDirectory(prefix=owned("arista")) as folder:
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

    done = run("driver", config)

    assert done.returncode == 1
    assert "arista.patience: Input should be greater than 0" in done.stderr
    assert "arista.speed: Extra inputs are not permitted" in done.stderr


def test_what_is_remembered_of_a_switch_goes_when_the_operator_says_so(folder: Path) -> None:
    """Not before it is out of the inventory, and of the others nothing goes with it."""
    (folder / "inventory.yaml").write_text(INVENTORY)
    config = folder / "arista.toml"
    config.write_text(f'[arista]\ninventory = "{folder / "inventory.yaml"}"\nstate_directory = "{folder}"\n')
    with closing(Memory(folder / MEMORY)) as memory:
        for name in ("leaf1", "leaf9"):
            memory.begin_edit(name, [SwitchPort("Ethernet1"), SwitchPort("Ethernet2")])

    assert "there is no" in run("memory", "list", config, state_directory=folder / "elsewhere").stderr
    listed = run("memory", "list", config)
    lines = [line for line in listed.stdout.splitlines() if "leaf" in line]
    assert [line.split()[1:] for line in lines] == [
        ["leaf9", "│", "no", "│", "0", "│", "0", "│", "2", "│"],
        ["leaf1", "│", "yes", "│", "0", "│", "0", "│", "2", "│"],
    ]
    assert "leaf1 is in" in run("memory", "forget", "leaf1", config).stderr
    assert run("memory", "forget", "leaf9", config).stdout == "leaf9 is forgotten\n"
    assert "nothing is remembered of leaf9" in run("memory", "forget", "leaf9", config).stderr
    with closing(Memory(folder / MEMORY)) as memory:
        assert [*memory.holdings()] == ["leaf1"]


def test_a_damaged_memory_is_said_by_the_commands(folder: Path) -> None:
    """In the words of the driver, and without a trace."""
    (folder / "inventory.yaml").write_text(INVENTORY)
    config = folder / "arista.toml"
    config.write_text(f'[arista]\ninventory = "{folder / "inventory.yaml"}"\nstate_directory = "{folder}"\n')
    (folder / MEMORY).write_bytes(b"")

    done = run("memory", "list", config)

    assert done.returncode == 1
    assert f"{folder / MEMORY} is empty" in done.stderr
    assert "Traceback" not in done.stderr


def run(*words: object, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; the last word is its configuration file."""
    *command, config = map(str, words)
    environment = os.environ | {f"JACKFIELD_ARISTA_{name.upper()}": str(value) for name, value in settings.items()}
    arguments = [COMMAND, *command, "--config", config]
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60, env=environment)
