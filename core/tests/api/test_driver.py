"""What operators do to drivers through the API; the driver is real, and only administrators get to it."""

import tempfile
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from jackfield_core import config
from jackfield_core.app import Application
from jackfield_sdk import MechanismDriver, ServerSettings, start_server
from jackfield_sdk.examples.loopback import Fabric, LoopbackDriver
from support.reaper import owned
from support.waiting import eventually

MEMBER = {"X-Roles": "member"}
LOOKS = ("", "/lag", "/pending", "/diff")
ACTIONS = ("resync", "quarantine", "release", "finalize", "forget", "retry")


@pytest.fixture
def driver_type() -> type[LoopbackDriver]:
    """Drive the fabric with everything there is; a test may name another driver."""
    return LoopbackDriver


@pytest.fixture
async def fabric(driver_type: type[LoopbackDriver]) -> AsyncIterator[tuple[Fabric, str]]:
    """Serve a fabric; return it and its address."""
    with tempfile.TemporaryDirectory(prefix=owned("api")) as folder:
        fabric, endpoint = Fabric("fabric"), f"unix://{folder}/f.sock"
        server = await start_server(driver_type(fabric), ServerSettings(listen=endpoint))
        yield fabric, endpoint
        await server.stop()


@pytest.fixture
def settings(database_url: str, fabric: tuple[Fabric, str], tmp_path: Path) -> config.Settings:
    """Configure the fabric, and a driver that is not there."""
    return config.Settings(
        roles=["api", "dispatcher"],
        database=config.Database(url=database_url),
        mechanism=config.Mechanism(handshake_timeout=30, precommit_budget=30),
        drivers=[
            config.Driver(name="fabric", endpoint=fabric[1], policy="advisory"),
            config.Driver(name="leaf", endpoint="127.0.0.1:9", policy="advisory"),
        ],
    )


@pytest.fixture
async def act(api: Any, application: Application) -> Callable[..., Any]:
    """Return what does something to the fabric once that is ready, and gives what is answered."""
    await eventually(lambda: application.registry.entry("fabric").is_ready)

    async def act(action: str, status: int = 200, **arguments: Any) -> Any:
        answer = await api.http.put(f"/v2.0/drivers/fabric/{action}", json=arguments)
        assert answer.status_code == status, answer.text
        return answer.json()

    return act


async def test_drivers_are_shown_with_what_they_are_owed(api: Any, act: Any, fabric: Any) -> None:
    """The list says who answers; one driver is shown with its debts, its audit and what was done to it."""
    await api.create("network")
    await eventually(lambda: _is_paid(api))

    listed = {one["name"]: one for one in await api.list("drivers")}
    shown = (await api.get("drivers/leaf"))["driver"]

    assert (listed["fabric"]["state"], listed["leaf"]["state"]) == ("ready", "not reachable")
    assert listed["leaf"]["owed"] == 1
    assert (shown["lag"]["owed"], shown["actions"], shown["held_orphans"]) == (1, [], 0)
    assert shown["lag"]["owed_since"].endswith("Z")
    lag = (await api.get("drivers/leaf/lag"))["lag"]
    assert (lag["driver"], lag["owed"], lag["oldest_seconds"] >= 0) == ("leaf", 1, True)
    (pending,) = (await api.get("drivers/leaf/pending"))["pending"]
    assert (pending["driver"], pending["kind"], pending["state"]) == ("leaf", "network", "unknown")
    numbers = (await api.http.get("/metrics")).text
    assert 'jackfield_delivery_owed{driver="leaf"} 1.0' in numbers
    assert 'jackfield_delivery_oldest_seconds{driver="fabric"} 0.0' in numbers
    assert 'jackfield_driver_ready{driver="leaf"} 0.0' in numbers


async def test_difference_is_shown_and_repaired(api: Any, act: Any, fabric: Any) -> None:
    """A dry run says what would be done to which device; a resync does it, and is on record."""
    # A kind of which nothing is listed, and never was, may be none that the devices have.
    _, network = await api.create("network"), await api.create("network")
    await eventually(lambda: _is_paid(api))
    del fabric[0].networks[network["id"]]

    (found,) = (await api.get("drivers/fabric/diff"))["diff"]["differences"]
    assert (found["difference"], found["id"]) == ("missing", network["id"])
    assert found["steps"][0]["lines"]
    one = (await api.get("drivers/fabric/diff", id=network["id"]))["diff"]
    assert [each["id"] for each in one["differences"]] == [network["id"]]

    assert (await act("resync", 202))["requested"] is True

    await eventually(lambda: network["id"] in fabric[0].networks)
    shown = (await api.get("drivers/fabric"))["driver"]
    assert [action["action"] for action in shown["actions"]] == ["resync"]
    assert shown["actions"][0]["request_id"].startswith("req-")


async def test_quarantine_is_imposed_and_ended(api: Any, application: Application, act: Any) -> None:
    """Nobody calls the driver while it lasts, whose reason is told; the release pays what was owed."""
    await act("quarantine", reason="leaf 3 is being replaced")
    await eventually(lambda: application.registry.entry("fabric").is_quarantined)
    network = await api.create("network")

    refused = await api.refused("PUT", "drivers/fabric/quarantine", json={"reason": "again"})
    resync = await api.refused("PUT", "drivers/fabric/resync")
    assert [status for status, _, _ in (refused, resync)] == [409, 409]
    assert "leaf 3 is being replaced" in resync[2]
    (debt,) = (await api.get("drivers/fabric/pending"))["pending"]
    assert (debt["resource_id"], debt["reason"]) == (network["id"], "DRIVER_QUARANTINED")
    assert (await api.refused("GET", "drivers/fabric/diff"))[0] == 503

    assert (await act("release"))["released"] is True

    await eventually(lambda: _is_paid(api))
    assert (await act("release"))["released"] is False


async def _is_paid(api: Any) -> bool:
    return not (await api.get("drivers/fabric/lag"))["lag"]["owed"]


async def test_debts_are_tried_again_and_forgotten(api: Any, act: Any, fabric: Any) -> None:
    """A refused debt is paid when it is tried again; one that is given up is owed no more."""
    network = await api.create("network")
    await eventually(lambda: _is_paid(api))
    fabric[0].infeasible("network", "VLAN 7 is taken")
    await api.update("network", network["id"], name="new")
    await eventually(lambda: _refused(api))

    assert (await api.get("drivers/fabric/lag"))["lag"]["refused"] == 1
    assert await act("retry", id=network["id"].upper()) == {"driver": "fabric", "retried": 1}
    assert await act("forget", kind="network", id=network["id"].upper()) == {
        "driver": "fabric",
        "debts": 1,
        "ends": 0,
        "orphans": 0,
    }
    assert (await api.get("drivers/fabric/pending"))["pending"] == []
    assert await act("retry") == {"driver": "fabric", "retried": 0}


async def _refused(api: Any) -> bool:
    return bool((await api.get("drivers/fabric/lag"))["lag"]["refused"])


class Blind(LoopbackDriver):
    """A driver whose devices cannot be listed."""

    list_owned = MechanismDriver.list_owned
    diff = MechanismDriver.diff


@pytest.mark.parametrize("driver_type", [Blind])
async def test_driver_that_cannot_list_is_told_everything(api: Any, act: Any, fabric: Any) -> None:
    """It can only be owed everything again; a dry run says what it could not find out."""
    network = await api.create("network")
    await eventually(lambda: _is_paid(api))

    report = (await api.get("drivers/fabric/diff"))["diff"]
    refused = await api.refused("PUT", "drivers/fabric/resync")
    del fabric[0].networks[network["id"]]
    await act("resync", 202, everything=True)

    assert (report["in_sync"], report["listed"], report["differences"]) == (False, None, [])
    assert "cannot list" in report["notes"][0]
    assert (refused[0], "owed everything again" in refused[2]) == (409, True)
    await eventually(lambda: network["id"] in fabric[0].networks)


async def test_finalising_without_states_changes_nothing(api: Any, act: Any) -> None:
    """A driver that keeps no states has nothing to finalise, and that is a conflict with its reason."""
    status, _, message = await api.refused("PUT", "drivers/fabric/finalize")

    assert (status, "nothing to finalise" in message) == (409, True)


async def test_drivers_are_for_administrators(api: Any) -> None:
    """Nobody else learns what drivers there are or does anything to them; a driver that nobody has is not found."""
    looks = [("GET", path) for path in ("drivers", *(f"drivers/fabric{look}" for look in LOOKS))]
    actions = [("PUT", f"drivers/fabric/{action}") for action in ACTIONS]
    for method, path in (*looks, *actions):
        body = {"reason": "x"} if path.endswith("quarantine") else {}

        refused = await api.refused(method, path, json=body, headers=MEMBER)

        assert refused[:2] == (403, "PolicyNotAuthorized"), path
        for nobody in ("ghost", "%00") if path != "drivers" else ():
            missing = await api.refused(method, path.replace("fabric", nobody), json=body)
            assert missing[:2] == (404, "DriverNotFound"), path


WRONG: list[tuple[str, Any, str]] = [
    ("quarantine", {}, "reason"),
    ("quarantine", {"reason": ""}, "reason"),
    ("quarantine", {"reason": "a\0b"}, "NUL"),
    ("resync", {"remove_orphans": "yes"}, "remove_orphans"),
    ("forget", {"kind": "router"}, "kind"),
    ("forget", {"id": "blue"}, "id"),
    ("retry", {"driver": "leaf"}, "driver"),
    ("release", {"now": True}, "now"),
    ("release", [], "object"),
]


async def test_wrong_argument_is_named(api: Any) -> None:
    """What an action does not take is refused with the name of it, and nothing is done."""
    for action, body, said in WRONG:
        status, type, message = await api.refused("PUT", f"drivers/fabric/{action}", json=body)
        assert (status, type, said in message) == (400, "HTTPBadRequest", True), message

    assert (await api.get("drivers/fabric"))["driver"]["actions"] == []


async def test_strange_questions_are_refused(api: Any) -> None:
    """A filter that there is not, a limit that is none and an id that is none are errors, not ignored."""
    assert (await api.refused("GET", "drivers?colour=red"))[0] == 400
    assert (await api.refused("GET", "drivers/fabric/pending?limit=0"))[0] == 400
    assert (await api.refused("GET", f"drivers/fabric/pending?limit={'9' * 5000}"))[0] == 400
    assert (await api.refused("GET", "drivers/fabric/diff?id=blue"))[0] == 404
    assert (await api.refused("GET", f"drivers/{uuid.uuid4()}"))[:2] == (404, "DriverNotFound")
    assert (await api.refused("GET", "drivers/fabric/nothing"))[0] == 404
    assert (await api.refused("GET", "drivers/fabric/resync"))[0] == 405
    assert (await api.refused("POST", "drivers", json={}))[0] == 405
