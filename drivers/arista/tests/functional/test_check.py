"""`jackfield-arista check` and its neighbours, against switches that speak NETCONF."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from jackfield_arista.check.check import check
from jackfield_arista.check.report import as_json
from jackfield_arista.configuration.ownership import mark
from jackfield_arista.inventory.model import Inventory
from jackfield_arista.settings import AristaSettings
from support.netconf import FakeSwitch, Heard, NetconfSwitch, missing_requirements
from support.ports import free_port

COMMAND = str(Path(sys.executable).with_name("jackfield-arista"))
NETWORK = "6b1f0c9e-2a34-4d7a-9d5e-0f1e2d3c4b5a"


class Rack:
    """An inventory of switches in a folder, and the command to check them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "inventory.yaml"
        self.data: dict[str, Any] = {
            "credentials": {},
            "groups": {"rack1": {"physical_network": "rack1", "vlan_ranges": "100-199"}},
            "switches": {},
            "attachments": [],
        }

    def add(self, name: str, switch: FakeSwitch | NetconfSwitch, **fields: Any) -> None:
        """List a switch with its key and its host key; `fields` replace what is written of it."""
        self.data["credentials"][name] = {"username": switch.user, "key_file": str(switch.key_file)}
        usual = {"address": switch.address, "port": switch.port, "credential": name, "group": "rack1"}
        self.data["switches"][name] = usual | {"host_key": switch.host_key} | fields

    def attach(self, host: str, switch: str, *interfaces: str) -> None:
        self.data["attachments"].append({"host": host, "switch": switch, "interfaces": [*interfaces]})

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        self.file.write_text(yaml.safe_dump(self.data))
        said = {
            f"JACKFIELD_ARISTA_{name.upper()}": str(value)
            for name, value in self.settings().model_dump(exclude_unset=True).items()
        }
        return subprocess.run(
            [COMMAND, *arguments], env=os.environ | said, capture_output=True, text=True, check=False, timeout=280
        )

    def findings(self, **settings: Any) -> dict[str, dict[str, tuple[str, str]]]:
        """Return what a check finds as JSON tells it: by switch and step, level and fact of the worst."""
        told = as_json(check(self.settings(**settings), Inventory.model_validate(self.data)))
        levels = ["fine", "note", "wrong"]
        found: dict[str, dict[str, tuple[str, str]]] = {}
        for switch in told["switches"]:
            steps = found.setdefault(switch["switch"], {})
            for one in sorted(switch["findings"], key=lambda one: levels.index(one["level"])):
                steps[one["step"]] = (one["level"], one["fact"])
        return found

    def settings(self, **settings: Any) -> AristaSettings:
        known_hosts, state = self.directory / "known_hosts", self.directory / "state"
        usual = {"inventory": self.file, "known_hosts": known_hosts, "state_directory": state, "connect_timeout": 30}
        return AristaSettings.model_validate(usual | settings)


@pytest.fixture
def rack(tmp_path: Path) -> Rack:
    """Give an empty rack."""
    (tmp_path / "known_hosts").touch()
    return Rack(tmp_path)


@pytest.fixture
def leaf(tmp_path: Path) -> Iterator[FakeSwitch]:
    """Give a switch that works."""
    with FakeSwitch(tmp_path / "leaf") as switch:
        yield switch


def test_a_rack_that_is_right_is_fine(rack: Rack, leaf: FakeSwitch) -> None:
    """A line says so, the command ends with 0, and nothing on the switch was changed."""
    rack.add("leaf1", leaf, chassis_id="00:1c:73:00:00:01", uplinks=["Ethernet3"])
    rack.attach("compute-1", "leaf1", "Ethernet1")
    before = leaf.running()

    table, told = rack.run("check"), rack.run("check", "--json")

    assert table.returncode == told.returncode == 0, table.stdout + table.stderr
    assert "1 switches, 0 with something wrong" in table.stdout
    assert json.loads(told.stdout)["ok"] is True
    assert leaf.running() == before
    assert not leaf.payloads


@pytest.mark.skipif(bool(missing_requirements()), reason=f"needs {', '.join(missing_requirements())}")
def test_a_real_server_is_checked_as_well(rack: Rack, tmp_path: Path) -> None:
    """Every step passes at a real NETCONF server."""
    with NetconfSwitch(tmp_path / "leaf") as switch:
        rack.add("leaf1", switch, chassis_id="00:1c:73:00:00:01")
        rack.attach("compute-1", "leaf1", "Ethernet1")

        (steps,) = rack.findings().values()

    assert {level for level, _ in steps.values()} == {"fine"}
    assert {"login", "datastore", "our VLANs", "interfaces", "save"} <= steps.keys()


def test_what_is_wrong_is_told_with_what_to_do(rack: Rack, leaf: FakeSwitch, tmp_path: Path) -> None:
    """Each switch says where the look at it ended, and why; the command ends with 1."""
    rack.add("fine", leaf, chassis_id="00:1c:73:00:00:01")
    rack.add("dead", leaf, port=free_port())
    rack.add("unknown", leaf, address="localhost", host_key=None)
    with FakeSwitch(tmp_path / "changed") as changed, FakeSwitch(tmp_path / "locked") as locked:
        rack.add("changed", changed, host_key=leaf.host_key)
        rack.add("locked", locked)
        rack.data["credentials"]["locked"]["key_file"] = str(leaf.key_file)
        rack.add("keyless", locked, address="localhost")
        rack.data["credentials"]["keyless"]["key_file"] = str(tmp_path / "none")

        found = rack.findings()
        table = rack.run("check")

    assert {step: level for step, (level, _) in found["fine"].items() if level == "wrong"} == {}
    assert found["dead"]["reach"][0] == "wrong"
    assert found["unknown"]["host key"][0] == found["changed"]["host key"][0] == "wrong"
    assert found["locked"]["login"][0] == "wrong"
    assert (
        found["keyless"]["login"][1] == f"credential keyless: key_file: {tmp_path / 'none'}: No such file or directory"
    )
    assert table.returncode == 1
    assert "compare the fingerprint at the console" in table.stdout
    assert "6 switches, 5 with something wrong" in table.stdout


def test_a_password_is_rotated_without_a_restart(rack: Rack, tmp_path: Path) -> None:
    """What the file holds at the moment of a connect counts, and no password is in any output."""
    file = tmp_path / "password"
    with FakeSwitch(tmp_path / "leaf", password="first-secret") as leaf:
        rack.add("leaf1", leaf)
        rack.data["credentials"]["leaf1"] = {"username": leaf.user, "password": f"file:{file}"}
        file.write_text("first-secret\n")
        before = rack.findings()["leaf1"]["login"]
        leaf.change_password("second-secret")
        between = rack.run("check")
        file.write_text("second-secret\n")
        after = rack.findings()["leaf1"]["login"]

    assert before == after == ("fine", f"as {leaf.user}")
    assert between.returncode == 1
    assert "refuses the login" in between.stdout
    assert "-secret" not in between.stdout + between.stderr


def test_what_a_switch_holds_is_compared_with_the_inventory(rack: Rack, leaf: FakeSwitch) -> None:
    """Ports that are not there, and VLANs of ours that the network team has reserved."""
    rack.add("leaf1", leaf, reserved_vlans=[120])
    rack.attach("compute-1", "leaf1", "Ethernet1", "Ethernet7")
    leaf.take_vlan(120, mark("deployment", NETWORK))

    steps = rack.findings()["leaf1"]

    assert steps["interfaces"] == ("wrong", "there is no Ethernet7, which is compute-1")
    assert steps["reserved VLANs"] == ("wrong", "VLAN 120 is reserved, and a network has it")


def test_what_a_switch_cannot_do_is_told(rack: Rack, tmp_path: Path) -> None:
    """A switch without confirmed commit is to be edited in its running configuration."""
    base = ["urn:ietf:params:netconf:base:1.0", "urn:ietf:params:netconf:capability:candidate:1.0"]
    with FakeSwitch(tmp_path / "old", capabilities=base) as old:
        rack.add("old", old)
        steps = rack.findings()["old"]

    assert steps["datastore"] == ("wrong", "the switch announces no confirmed-commit")
    assert steps["save"][0] == "wrong"


def test_a_cable_that_contradicts_the_file_is_told(rack: Rack, leaf: FakeSwitch) -> None:
    """The switch's own LLDP table stands against the file."""
    leaf.neighbours["Ethernet1"] = Heard("compute-2.example.org", "eth0")
    rack.add("leaf1", leaf)
    rack.attach("compute-1", "leaf1", "Ethernet1")
    rack.attach("compute-2", "leaf1", "Ethernet2")

    level, fact = rack.findings()["leaf1"]["LLDP"]

    assert level == "wrong"
    assert fact.startswith(
        "compute-2 eth0: the file says leaf1 Ethernet1 is compute-1, LLDP says leaf1 Ethernet1 is compute-2"
    )


def test_switches_are_tried_at_the_same_time(rack: Rack, leaf: FakeSwitch) -> None:
    """Thirty switches say nothing until the last of them is called, and so long no other one is given up."""
    with contextlib.ExitStack() as mute:
        listeners = [mute.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(30)]
        for number, listener in enumerate(listeners):
            listener.settimeout(100)
            rack.add(f"mute{number}", leaf, port=listener.getsockname()[1])

        with ThreadPoolExecutor(1) as switches:
            called = switches.submit(hang_up_when_all_have_called, listeners)
            found = rack.findings(connect_timeout=110)

    assert called.result() == 30
    assert len(found) == 30
    assert {steps["reach"][0] for steps in found.values()} == {"wrong"}


def hang_up_when_all_have_called(listeners: Sequence[socket.socket]) -> int:
    """Take one call at each of the listeners, and end them together; return how many there were."""
    calls = [listener.accept()[0] for listener in listeners]
    for call in calls:
        call.close()
    return len(calls)


def test_one_switch_may_be_named(rack: Rack, leaf: FakeSwitch) -> None:
    """Only that one is tried, and a name that is none is told."""
    rack.add("leaf1", leaf)
    rack.add("leaf2", leaf, port=free_port())

    assert rack.run("check", "--switch", "leaf1").returncode == 0
    unknown = rack.run("check", "--switch", "leaf3")
    assert unknown.returncode == 1
    assert f"there is no switch leaf3 in {rack.file}" in unknown.stderr


def test_a_file_is_validated_from_the_command_line(rack: Rack, leaf: FakeSwitch) -> None:
    """A good one is counted; a bad one is told with lines, by `validate` and by `check`."""
    rack.add("leaf1", leaf)
    good = rack.run("inventory", "validate", str(rack.file))
    rack.data["switches"]["leaf1"]["group"] = "rack9"
    bad = [rack.run("inventory", "validate", str(rack.file)), rack.run("check")]

    assert (good.returncode, good.stdout) == (0, f"{rack.file}: 1 switches, 1 groups, 0 attachments\n")
    for done in bad:
        assert done.returncode == 1
        assert done.stderr.startswith(f"{rack.file}:")
        assert "switches.leaf1.group: there is no group rack9" in done.stderr
