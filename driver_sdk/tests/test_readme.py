"""What the README shows is run: its programs, their tests, and its commands."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from jackfield_sdk.examples.loopback.orders import Orders
from jackfield_sdk.testing import Core

README = (Path(__file__).parent.parent / "README.md").read_text()


def blocks(language):
    """Return the code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def programs(tmp_path):
    """Write every program under the name in its first line."""
    for block in blocks("python"):
        (tmp_path / block.partition("\n")[0].removeprefix("# ")).write_text(block)
    return tmp_path


def test_the_tests_of_the_readme_pass(programs):
    """The driver and the agent do what the page says."""
    command = [sys.executable, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", "-p", "no:cacheprovider", "."]
    result = subprocess.run(command, cwd=programs, capture_output=True, text=True, timeout=60)

    assert "4 passed" in result.stdout, result.stdout


async def test_the_driver_of_the_readme_runs_as_shown(programs):
    """The command of the page, with a socket of this test."""
    (command,) = [line for block in blocks("shell") for line in block.splitlines() if "toy_switch.py" in line]
    setting, python, *arguments = shlex.split(command.replace("/tmp/", f"{programs}/"))
    assert python == "python"
    name, _, address = setting.partition("=")
    process = subprocess.Popen([sys.executable, *arguments], cwd=programs, env={name: address}, stderr=subprocess.PIPE)
    try:
        async with grpc.aio.insecure_channel(address, options=[("grpc.default_authority", "localhost")]) as channel:
            await asyncio.wait_for(channel.channel_ready(), 20)
            assert (await Core(channel).handshake()).driver_name == "toy-switch"
        process.terminate()
        assert await asyncio.to_thread(process.wait, 10) == 0
    finally:
        process.kill()
        process.communicate()


async def test_the_loopback_command_of_the_readme_runs_as_shown(tmp_path):
    """Every option of the page exists, and its script is read."""
    (block,) = [block for block in blocks("shell") if block.startswith("jackfield-loopback")]
    command, echo = block.replace("\\\n", " ").replace("/tmp/", f"{tmp_path}/").strip().splitlines()
    _, *options = shlex.split(command)
    subprocess.run(["bash", "-c", echo], check=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "jackfield_sdk.examples.loopback", *options], stderr=subprocess.PIPE
    )
    try:
        address = f"unix://{tmp_path}/fabric-a.sock"
        async with grpc.aio.insecure_channel(address, options=[("grpc.default_authority", "localhost")]) as channel:
            await asyncio.wait_for(channel.channel_ready(), 20)
            assert (await Core(channel).handshake()).driver_name == "fabric-a"
    finally:
        process.kill()
        process.communicate()

    orders = Orders.model_validate_json((tmp_path / "fabric-a-script.json").read_bytes())
    assert orders.fail_postcommit == {"port": "leaf1 is rebooting"}
