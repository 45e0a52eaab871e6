"""What the README shows is run: its programs, their tests, and its commands."""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from importlib import metadata, resources
from pathlib import Path

import grpc
import pytest
from jackfield_sdk import Action, AgentSettings, Done, DriverState, Kind, Line, ServerSettings, Unreachable
from jackfield_sdk.examples.loopback.orders import Orders
from jackfield_sdk.testing import Core, Wanted, a_network, a_segment, running
from support.reaper import owned

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
    """The driver and the agent do what the page says, with the command of the page and nothing else."""
    (block,) = [block for block in blocks("shell") if block.startswith("pytest")]
    command = [sys.executable, "-m", *shlex.split(block), "-p", "no:cacheprovider"]
    result = subprocess.run(command, cwd=programs, capture_output=True, text=True, timeout=240)

    assert "4 passed" in result.stdout, result.stdout


def test_what_the_readme_installs_is_what_a_new_project_installs():
    """Nobody is left with tests that need a plugin, or without the command that proves a driver."""
    (block,) = [block for block in blocks("shell") if block.startswith("pip install")]
    template = resources.files("jackfield_sdk.scaffold") / "templates" / "pyproject.toml.template"
    (listed,) = re.findall(r"^test = (\[.*\])$", template.read_text(), re.MULTILINE)

    assert set(shlex.split(block)[2:]) == set(tomllib.loads(f"test = {listed}")["test"]) - {"pytest"}
    assert "conformance" in metadata.metadata("jackfield-sdk").get_all("Provides-Extra")


async def test_the_driver_of_the_readme_runs_as_shown(programs):
    """The command of the page, with a socket and a switch of this test."""
    (block,) = [block for block in blocks("shell") if block.startswith("mkdir")]
    mkdir, command = block.replace("/tmp/", f"{programs}/").splitlines()
    subprocess.run(shlex.split(mkdir), check=True)
    setting, python, *arguments = shlex.split(command)
    assert python == "python"
    name, _, address = setting.partition("=")
    process = subprocess.Popen([sys.executable, *arguments], cwd=programs, env={name: address}, stderr=subprocess.PIPE)
    try:
        async with grpc.aio.insecure_channel(address, options=[("grpc.default_authority", "localhost")]) as channel:
            await asyncio.wait_for(channel.channel_ready(), 60)
            core, network = Core(channel), a_network(a_segment("vlan", 7))
            assert (await core.handshake()).driver_name == "toy-switch"
            assert await core.postcommit(Action.CREATE, network, attributes={"label": "blue"}) == Done(revision=1)
            assert (programs / "toy" / "vlan-7").read_text() == f"{network.id} blue"
        process.terminate()
        assert await asyncio.to_thread(process.wait, 60) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_driver_of_the_readme_conforms(programs):
    """The command of the page ends with the verdict that the page promises."""
    pytest.importorskip("hypothesis")
    (programs / "toy").mkdir()
    (block,) = [block for block in blocks("shell") if "jackfield-conformance" in block]
    with tempfile.TemporaryDirectory(prefix=owned("sdk")) as short:
        setting, program, *arguments = shlex.split(block.replace("\\\n", " "))
        arguments = [
            argument.replace("/tmp/toy-switch.sock", f"{short}/d.sock")
            .replace("/tmp/toy", f"{programs}/toy")
            .replace("python ", f"{sys.executable} ")
            for argument in arguments
        ]
        name, _, _ = setting.partition("=")
        environment = {**os.environ, name: f"unix://{short}/d.sock"}
        assert program == "jackfield-conformance"
        command = [sys.executable, "-m", "jackfield_sdk.conformance", *arguments]
        result = subprocess.run(command, cwd=programs, env=environment, capture_output=True, text=True, timeout=580)

    assert "toy-switch conforms" in result.stdout, result.stdout + result.stderr


async def test_the_state_of_the_readme_is_written_as_the_core_says(programs, tmp_path, monkeypatch):
    """Decimal while the release before may come back, hexadecimal afterwards."""
    monkeypatch.syspath_prepend(programs)
    driver = importlib.import_module("remembering").Remembering()
    network = a_network()
    async with running(driver, tmp_path) as core:
        await core.handshake(write_state_version=1)
        old = await core.postcommit(Action.CREATE, network)
        await core.handshake(write_state_version=2)
        new = await core.postcommit(Action.UPDATE, network, 2, state=old.state)
        upgraded = await core.upgrade_states(2, {(Kind.NETWORK, network.id): old.state})

    assert (old.state, new.state) == (DriverState(1, b"4711"), DriverState(2, b"1267"))
    assert upgraded == {network.id: new.state}


async def test_the_marked_switch_of_the_readme_sees_what_hands_do(programs, tmp_path, monkeypatch):
    """It lists what is there, repairs what was changed, deletes orphans by id, and leaves others alone."""
    monkeypatch.syspath_prepend(programs)
    switch = tmp_path / "switch"
    driver = importlib.import_module("marked_switch").MarkedSwitch(switch)
    network, renamed, gone = a_network(), a_network(), a_network()
    async with running(driver, tmp_path) as core:
        assert await core.list_owned() == [Unreachable("leaf1", "the switch is not plugged in")]
        switch.mkdir()
        for each in (network, renamed, gone):
            await core.postcommit(Action.CREATE, each, 3)
        before = await core.list_owned()
        files = {each.id: switch / f"{each.id}.json" for each in (network, renamed, gone)}
        text = files[network.id].read_text()
        (switch / "orphan.json").write_text(text)
        (switch / "foreign.json").write_text(text.replace('"owner": "test"', '"owner": "somebody"'))
        files[renamed.id].write_text(text.replace(network.name, "by hand"))
        files[gone.id].unlink()

        listed = {each.id: each.digest != b"" for each in await core.list_owned()}
        assert listed == {network.id: True, renamed.id: False, "orphan": True}
        assert await core.diff(Action.UPDATE, network, 3) == []
        assert await core.dry_run(Wanted(Action.UPDATE, renamed, 3)) == [
            Line(f'network {renamed.id}: change the name from "by hand" to "{renamed.name}"', "leaf1")
        ]
        for action, each in ((Action.UPDATE, renamed), (Action.CREATE, gone)):
            assert await core.postcommit(action, each, 3) == Done(revision=3)
        for orphan in ("orphan", "foreign"):
            assert await core.delete_orphan(Kind.NETWORK, orphan, 4) == Done(revision=4)
        assert await core.list_owned() == before

    assert (switch / "foreign.json").exists()


async def test_the_marked_switch_of_the_readme_knows_what_a_process_before_it_made(programs, tmp_path, monkeypatch):
    """A revision that comes late finds a later one on the device, and that one stays."""
    monkeypatch.syspath_prepend(programs)
    switch = tmp_path / "switch"
    switch.mkdir()
    network = a_network()
    for revision in (5, 1):
        driver = importlib.import_module("marked_switch").MarkedSwitch(switch)
        async with running(driver, tmp_path) as core:
            assert await core.postcommit(Action.CREATE, network, revision) == Done(revision=5)
            assert [each.revision for each in await core.list_owned()] == [5]


@pytest.mark.parametrize("settings", [ServerSettings, AgentSettings])
def test_every_setting_is_in_a_table_with_its_default_and_its_meaning(settings):
    """The page is where an operator looks."""
    for name, field in settings.model_fields.items():
        match field.default:
            case bool(value):
                default = f"`{str(value).lower()}`"
            case float(value):
                default = f"`{value:g}`"
            case None:
                default = ""
            case value:
                default = "name of this machine" if field.default_factory else f"`{value}`"
        assert f"| `{name}` | {default} | {field.description} |" in README


async def test_the_two_releases_of_the_readme_share_a_fabric(tmp_path):
    """The second finds what the first has done, in the same epoch."""
    (block,) = [block for block in blocks("shell") if "--version 2.0" in block]
    network, seen = a_network(), []
    processes = []
    try:
        for command in block.replace("/tmp/", f"{tmp_path}/").splitlines():
            program, *options = shlex.split(command)
            assert program == "jackfield-loopback"
            command = [sys.executable, "-m", "jackfield_sdk.examples.loopback", *options]
            processes.append(subprocess.Popen(command, stderr=subprocess.PIPE))
            address = options[options.index("--listen") + 1]
            async with grpc.aio.insecure_channel(address, options=[("grpc.default_authority", "localhost")]) as channel:
                await asyncio.wait_for(channel.channel_ready(), 60)
                core = Core(channel)
                handshake = await core.handshake()
                await core.postcommit(Action.CREATE, network)
                owned = [each.id for each in await core.list_owned()]
                seen.append((handshake.driver_version, handshake.state_version.writes, owned))
                epoch = handshake.backends[0].epoch
                seen.append(epoch)
    finally:
        for process in processes:
            process.kill()
            process.communicate()

    assert seen == [("1.0", 1, [network.id]), epoch, ("2.0", 2, [network.id]), epoch]


async def hands_work_as_shown(core, folder):
    """Run the command of the page, for a network of the id that it names."""
    (block,) = [block for block in blocks("shell") if "loopback.hands" in block]
    _, *command = shlex.split(block.replace("/tmp/", f"{folder}/"))
    network = a_network(id=command[-1])
    await core.postcommit(Action.CREATE, network)
    added = await asyncio.to_thread(subprocess.check_output, [sys.executable, *command], text=True)
    assert {each.id: each.digest != b"" for each in await core.list_owned()} == {network.id: True, added.strip(): False}


async def test_the_loopback_command_of_the_readme_runs_as_shown(tmp_path):
    """Every option of the page exists, and its script is read."""
    (block,) = [block for block in blocks("shell") if "--reserved-vlan" in block]
    command, echo = block.replace("\\\n", " ").replace("/tmp/", f"{tmp_path}/").strip().splitlines()
    _, *options = shlex.split(command)
    subprocess.run(["bash", "-c", echo], check=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "jackfield_sdk.examples.loopback", *options], stderr=subprocess.PIPE
    )
    try:
        address = f"unix://{tmp_path}/fabric-a.sock"
        async with grpc.aio.insecure_channel(address, options=[("grpc.default_authority", "localhost")]) as channel:
            await asyncio.wait_for(channel.channel_ready(), 60)
            core = Core(channel)
            assert (await core.handshake()).driver_name == "fabric-a"
            await hands_work_as_shown(core, tmp_path)
    finally:
        process.kill()
        process.communicate()

    orders = Orders.model_validate_json((tmp_path / "fabric-a-script.json").read_bytes())
    assert orders.fail_postcommit == {"port": "leaf1 is rebooting"}
