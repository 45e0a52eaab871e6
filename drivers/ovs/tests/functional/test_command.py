"""The installed command, as a service manager runs it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ovs_lab import COMMAND, default_settings
from support.hosts import eventually


def test_the_driver_serves_and_ends_on_sigterm(tmp_path: Path) -> None:
    """The driver listens where the file says, and a service manager ends it cleanly."""
    socket = tmp_path / "ovs.sock"
    config = tmp_path / "ovs.toml"
    config.write_text(f'[driver]\nlisten = "unix://{socket}"\n')
    process = subprocess.Popen([COMMAND, "driver", "--config", str(config)], stderr=subprocess.DEVNULL)

    eventually(socket.exists, "the driver listens")
    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0


@pytest.mark.functional
def test_the_agent_runs_without_a_core_and_ends_on_sigterm(lab: Any, tmp_path: Path) -> None:
    """With no core to dial the agent prepares its bridges, and a service manager ends it cleanly."""
    host = lab.host()
    config = tmp_path / "ovs.toml"
    settings = default_settings(host)
    lines = [f"{name} = {str(value)!r}" for name, value in settings.items() if isinstance(value, str)]
    config.write_text("\n".join(["[agent]", f'core = "unix://{tmp_path}/none.sock"', "[ovs]", *lines]))
    env = os.environ | {"JACKFIELD_OVS_TUNNEL_TYPES": '["vxlan"]'}
    argv = ["ip", "netns", "exec", host.name, COMMAND, "agent", "--config", str(config)]
    process = subprocess.Popen(argv, env=env, stderr=subprocess.DEVNULL)

    eventually(lambda: len(host.flows("br-tun")) > 3, "the bridges are ready")
    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0
    assert len(host.flows("br-tun")) > 3


def test_an_agent_without_a_switch_says_so_and_ends_on_sigterm(tmp_path: Path) -> None:
    """While the switch is away the agent goes on trying, and can be stopped."""
    env = os.environ | {
        "JACKFIELD_OVS_OVSDB": f"unix:{tmp_path}/none.sock",
        "JACKFIELD_AGENT_CORE": f"unix://{tmp_path}/none",
    }
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen([COMMAND, "agent"], env=env, stdout=output, stderr=subprocess.STDOUT)

    eventually(lambda: "cannot reach the OVSDB server" in log.read_text(), "the agent says so")
    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0
    assert "Traceback" not in log.read_text()


def test_wrong_settings_end_with_a_sentence(tmp_path: Path) -> None:
    """The operator reads which setting is wrong, without a trace."""
    config = tmp_path / "ovs.toml"
    config.write_text('[ovs]\ntunnel_types = ["vxlan"]\n')

    done = subprocess.run([COMMAND, "agent", "--config", str(config)], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "tunnel_types needs tunnel_ip" in done.stderr
    assert "Traceback" not in done.stderr
