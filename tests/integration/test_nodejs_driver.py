"""A driver in another language beside one of ours, under the real core."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from jackfield.driver.v1 import change_pb2, driver_pb2, mechanism_pb2
from jackfield.driver.v1.driver_pb2_grpc import DriverServiceStub
from jackfield.driver.v1.mechanism_pb2_grpc import MechanismServiceStub
from jackfield_sdk import Action, Kind, Line
from jackfield_sdk.testing import Core, Wanted, a_network
from support import ledger, nodejs
from support.cloud import Cloud
from support.processes import Process
from support.waiting import wait_until

# A busy machine is no reason for a driver to have no say.
SETTINGS = """
[mechanism]
precommit_budget = 20.0
bind_timeout = 20.0
bind_budget = 60.0
handshake_timeout = 20.0
[segments.vlan]
ranges = ["leaf1:1:4000"]
[[drivers]]
name = "nodejs"
endpoint = "unix://{socket}"
policy = "advisory"
"""


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Process]:
    """Run the driver in Node.js; its fabric outlives it, and it reserves VLAN 7."""
    nodejs.require()
    options = ("--state-file", str(tmp_path / "nodejs.json"), "--reserved-vlan", "7")
    with nodejs.driver(tmp_path / "n.sock", *options, log=tmp_path / "nodejs.log") as process:
        yield process


@pytest.fixture
def cloud(driver: Process, tmp_path: Path) -> Iterator[Cloud]:
    """Run a core with that driver first, and loopback behind it."""
    settings = SETTINGS.format(socket=tmp_path / "n.sock")
    with Cloud(f"sqlite:///{tmp_path}/jackfield.sqlite", drivers=["fabric"], settings=settings) as cloud:
        yield cloud


@pytest.fixture
def api(cloud: Cloud) -> Iterator[httpx.Client]:
    """Talk to the core."""
    with httpx.Client(base_url=f"{cloud.url}/v2.0", timeout=90) as client:
        yield client


def test_driver_in_another_language_holds_what_the_core_owes(
    api: httpx.Client, cloud: Cloud, driver: Process, tmp_path: Path
) -> None:
    """It binds, holds what loopback holds, catches up after kill -9, and lets go of what is deleted."""
    network = _create(api, "network", {})
    subnet = _create(api, "subnet", {"network_id": network["id"], "ip_version": 4, "cidr": "10.0.0.0/24"})
    port = _create(api, "port", {"network_id": network["id"], "binding:host_id": "host-1"})
    assert port["binding:vif_details"]["fabric"] == "nodejs"
    _settle(cloud, tmp_path)
    assert _fabric(tmp_path) == cloud.fabric("fabric")
    assert _fabric(tmp_path)["port"].keys() == {port["id"]}

    driver.kill()
    late = _create(api, "port", {"network_id": network["id"], "binding:host_id": "host-1"})
    assert late["id"] not in _fabric(tmp_path)["port"]
    driver.start()
    _settle(cloud, tmp_path)
    assert _fabric(tmp_path)["port"].keys() == {port["id"], late["id"]}

    for kind, resource in (("port", port), ("port", late), ("subnet", subnet), ("network", network)):
        assert api.delete(f"/{kind}s/{resource['id']}").status_code == 204
    _settle(cloud, tmp_path)
    assert _fabric(tmp_path) == {"network": {}, "subnet": {}, "port": {}}


async def test_driver_in_another_language_sees_what_hands_changed(driver: Process, tmp_path: Path) -> None:
    """An entry that hands changed has no digest and is repaired; an orphan goes by its id."""
    network, orphan = a_network(), a_network()
    options = [("grpc.default_authority", "localhost")]
    async with grpc.aio.insecure_channel(f"unix://{tmp_path}/n.sock", options=options) as channel:
        core = Core(channel)
        await core.handshake()
        await core.postcommit(Action.CREATE, network, 3)
        before = await core.list_owned()
        file = tmp_path / "nodejs.json"
        held = json.loads(file.read_text())
        held["networks"][orphan.id] = held["networks"][network.id]
        held["networks"][network.id] = {**held["networks"][network.id], "slot": 77}
        file.write_text(json.dumps(held))

        assert {each.id: each.digest for each in await core.list_owned()} == {network.id: b"", orphan.id: b""}
        assert await core.dry_run(Wanted(Action.UPDATE, network, 3)) == [
            Line(f"repair network {network.id} in slot 77: it was changed by hand", "nodejs")
        ]
        assert (await core.postcommit(Action.UPDATE, network, 3)).revision == 3
        assert (await core.delete_orphan(Kind.NETWORK, orphan.id, 4)).revision == 4
        assert await core.list_owned() == before

    assert _fabric(tmp_path)["network"] == {network.id: 3}


def test_refusal_in_another_language_reaches_the_user(api: httpx.Client, cloud: Cloud, tmp_path: Path) -> None:
    """What it refuses in precommit is a 409 with its words, and leaves nothing behind."""
    body = {
        "provider:network_type": "vlan",
        "provider:physical_network": "leaf1",
        "provider:segmentation_id": 7,
    }
    answer = api.post("/networks", json={"network": body})

    assert answer.status_code == 409
    assert "VLAN 7 is reserved on this fabric" in answer.text
    assert api.get("/networks").json() == {"networks": []}
    _settle(cloud, tmp_path)
    assert _fabric(tmp_path)["network"] == {}


def test_attribute_of_a_vendor_is_checked_judged_and_shown(api: httpx.Client, driver: Process) -> None:
    """The core checks it by the schema, also while the driver is down; the driver refuses what only it can judge."""
    network = _create(api, "network", {})["id"]

    port = _create(api, "port", {"network_id": network, "nodejs:queue": 3})
    assert port["nodejs:queue"] == 3
    judged = api.post("/ports", json={"port": {"network_id": network, "nodejs:queue": 7}})
    assert judged.status_code == 400
    assert "queue 7 is reserved for control frames" in judged.text
    driver.stop()
    checked = api.post("/ports", json={"port": {"network_id": network, "nodejs:queue": 8}})
    assert checked.status_code == 400
    assert "nodejs:queue" in checked.text
    assert api.get(f"/ports/{port['id']}").json()["port"]["nodejs:queue"] == 3


def test_secrets_stay_out_of_the_log(tmp_path: Path) -> None:
    """The most talkative log shows every request, and stars where the contract marks a field as sensitive."""
    nodejs.require()
    change = change_pb2.Change(change_id="1", kind=change_pb2.RESOURCE_KIND_PORT, id="p", revision=1)
    change.action = change_pb2.ACTION_CREATE
    change.current.port.binding.profile = b'{"password": "hunter2"}'
    change.attributes["queue"] = b'"hunter2"'
    change.state.data = b"hunter2"
    request = mechanism_pb2.PostcommitRequest(changes=[change])
    socket = tmp_path / "n.sock"

    with nodejs.driver(socket, "--log-level", "debug", log=tmp_path / "nodejs.log") as driver:
        channel = grpc.insecure_channel(f"unix://{socket}", [("grpc.default_authority", "localhost")])
        with channel:
            [result] = MechanismServiceStub(channel).Postcommit(request, timeout=60).results
        logged = driver.output()

    assert result.failed.reason == "STATE_UNREADABLE"
    assert '"profile":"***"' in logged
    assert "hunter2" not in logged + str(result)


def test_driver_that_cannot_load_says_why_and_does_nothing(tmp_path: Path) -> None:
    """A broken state file is the load error of the handshake; every other call is refused with our ErrorInfo."""
    nodejs.require()
    (tmp_path / "state.json").write_text("{")
    socket = tmp_path / "n.sock"
    options = ("--state-file", str(tmp_path / "state.json"))

    with (
        nodejs.driver(socket, *options, log=tmp_path / "nodejs.log"),
        grpc.insecure_channel(f"unix://{socket}", [("grpc.default_authority", "localhost")]) as channel,
    ):
        request = driver_pb2.HandshakeRequest(contract_majors=[1])
        hello = DriverServiceStub(channel).Handshake(request, timeout=60)
        with pytest.raises(grpc.RpcError) as refused:
            MechanismServiceStub(channel).Postcommit(mechanism_pb2.PostcommitRequest(), timeout=60)

    assert "state.json cannot be read" in hello.load_error
    assert (list(hello.interests), list(hello.features)) == ([], [])
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    status = Status.FromString(dict(refused.value.trailing_metadata())["grpc-status-details-bin"])
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info == ErrorInfo(reason="LOAD_ERROR", domain="nodejs")
    assert (tmp_path / "state.json").read_text() == "{"


def test_driver_stops_in_order_and_gives_its_socket_back(driver: Process, tmp_path: Path) -> None:
    """SIGTERM ends it with status 0, and the next one starts at the same address, also after kill -9."""
    assert driver.stop() == 0
    assert not (tmp_path / "n.sock").exists()
    driver.start()
    driver.kill()
    assert (tmp_path / "n.sock").exists()
    driver.start()

    second = nodejs.driver(tmp_path / "n.sock", log=tmp_path / "second.log")
    second.launch()
    wait_until(lambda: not second.alive, what="the second process to give up")
    assert second.stop() == 1
    assert "another process serves" in second.output()


def _create(api: httpx.Client, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = api.post(f"/{kind}s", json={kind: body})
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()[kind]
    return created


def _settle(cloud: Cloud, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/jackfield.sqlite"

    def problems() -> list[str]:
        return ledger.problems(database, {"nodejs": _fabric(tmp_path), "fabric": cloud.fabric("fabric")})

    wait_until(lambda: ledger.owed(database) == 0, what="all debts to be paid")
    wait_until(lambda: not problems(), what=lambda: f"{problems()}")


def _fabric(tmp_path: Path) -> dict[str, dict[str, int]]:
    """Return what the driver's fabric holds: kind to id to revision."""
    state = json.loads((tmp_path / "nodejs.json").read_text())
    kinds = ("network", "subnet", "port")
    return {kind: {id: int(held["revision"]) for id, held in state[f"{kind}s"].items()} for kind in kinds}
