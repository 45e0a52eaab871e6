"""What is not yet true, and why: deliveries of drivers that run, fail, and fall silent."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from jackfield_core import config
from jackfield_core.app import Application
from jackfield_core.db.fault import FaultTable
from jackfield_core.db.port import WiringReport
from jackfield_core.types import Kind
from jackfield_sdk import Backend, BackendHealth, Bound, Infeasible, RetryLater, ServerSettings, start_server
from jackfield_sdk.testing import RecordingDriver
from support.waiting import eventually

USER = {"X-Roles": "member"}
DELIVERY = "jackfield:delivery"


class Fabric(RecordingDriver):
    """A driver with one backend, that a test starts and stops."""

    name = "fabric"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.endpoint = f"unix://{path}"
        self.health = BackendHealth.UP
        self._server: Any = None

    def backends(self) -> list[Backend]:
        return [Backend("leaf1", "1", self.health, "" if self.health is BackendHealth.UP else "no route")]

    async def up(self) -> None:
        """Listen, as a new process would."""
        self._server = await start_server(self, ServerSettings(listen=self.endpoint))

    async def down(self) -> None:
        """Be gone."""
        if self._server:
            await self._server.stop()
        self._server = None


@pytest.fixture
async def fabric(tmp_path: Path) -> AsyncIterator[Fabric]:
    """Start the driver."""
    fabric = Fabric(tmp_path / "f.sock")
    await fabric.up()
    yield fabric
    await fabric.down()


@pytest.fixture
def settings(settings: config.Settings, fabric: Fabric) -> config.Settings:
    """Configure the driver, deliver to it, and owe a second one, which never comes, everything."""
    return settings.model_copy(
        update={
            "roles": ["api", "dispatcher"],
            "drivers": [
                config.Driver(name="fabric", endpoint=fabric.endpoint),
                config.Driver(name="absent", endpoint="unix:///nowhere/a.sock", policy="advisory"),
            ],
            "mechanism": config.Mechanism(handshake_timeout=30, precommit_budget=30, reconnect_interval=0.1),
            "dispatcher": config.Dispatcher(order_hold=0.05),
        }
    )


@pytest.fixture
async def application(application: Application) -> Application:
    """Wait for the driver."""
    await eventually(lambda: application.registry.entry("fabric").is_ready)
    return application


@pytest.fixture
def look(api: Any) -> Any:
    """Look at a resource until a driver's delivery of it is in a state; return the delivery."""

    async def until(kind: str, id: str, state: str, driver: str = "fabric") -> Any:
        async def is_there() -> Any:
            shown = (await api.get(f"{kind}s/{id}"))[kind][DELIVERY]
            return next((one for one in shown if (one["driver"], one["state"]) == (driver, state)), None)

        return await eventually(is_there)

    return until


async def test_resources_show_how_far_each_driver_is(api: Any, look: Any) -> None:
    """In the order of drivers: one that has acknowledged, and one that was never heard of."""
    network = await api.create("network")
    subnet = await api.create("subnet", network_id=network["id"], ip_version=4, cidr="192.0.2.0/24")
    port = await api.create("port", network_id=network["id"])

    for kind, id in (("network", network["id"]), ("subnet", subnet["id"]), ("port", port["id"])):
        done = await look(kind, id, "in_sync")
        assert (done["owed"], done["desired_revision"], done["acknowledged_revision"]) == (False, 1, 1)
        assert (done["reason"], done["message"], done["next_attempt"], done["attempts"]) == ("", "", None, 0)
        assert done["since"] is not None
        fabric, absent = (await api.get(f"{kind}s/{id}"))[kind][DELIVERY]
        assert (fabric["driver"], absent["driver"]) == ("fabric", "absent")
        assert (absent["state"], absent["owed"], absent["acknowledged_revision"]) == ("unknown", True, None)
        assert absent["reason"] == "DRIVER_AWAY"
        assert absent["next_attempt"] is None


async def test_lists_show_it_to_those_who_ask(api: Any, look: Any) -> None:
    """With ``fields``, with other fields or alone, and else not; what is created or changed comes without."""
    network = await api.create("network", name="blue")
    assert DELIVERY not in network
    assert DELIVERY not in await api.update("network", network["id"], name="red")
    await look("network", network["id"], "in_sync")

    assert DELIVERY not in (await api.list("networks"))[0]
    (listed,) = await api.list("networks", f"fields={DELIVERY}&fields=name")
    assert listed["name"] == "red"
    assert {(one["driver"], one["state"]) for one in listed[DELIVERY]} == {("fabric", "in_sync"), ("absent", "unknown")}
    (paged,) = await api.list("networks", f"fields={DELIVERY}&limit=5")
    assert [*paged] == [DELIVERY]
    shown = await api.get(f"networks/{network['id']}", fields="name")
    assert shown == {"network": {"name": "red"}}


async def test_others_see_nothing_of_it(api: Any) -> None:
    """Neither with a resource nor in lists of its own; a single delivery does not exist for them."""
    network = await api.create("network")
    id = f"fabric:network:{network['id']}"

    shown = await api.http.get(f"/v2.0/networks/{network['id']}", headers=USER)
    assert shown.status_code == 200
    assert DELIVERY not in shown.json()["network"]
    listed = await api.http.get(f"/v2.0/networks?fields={DELIVERY}&fields=id", headers=USER)
    assert listed.json() == {"networks": [{"id": network["id"]}]}
    assert (await api.refused("GET", "deliveries", headers=USER))[:2] == (403, "PolicyNotAuthorized")
    assert (await api.refused("GET", f"deliveries/{id}", headers=USER))[:2] == (404, "DeliveryNotFound")


async def test_nobody_sets_it(api: Any) -> None:
    """It is an attribute that may not be given, not one that does not exist."""
    network = await api.create("network")

    created = await api.refused("POST", "networks", json={"network": {DELIVERY: []}})
    changed = await api.refused("PUT", f"networks/{network['id']}", json={"network": {DELIVERY: []}})

    assert created == (400, "HTTPBadRequest", f"Attribute '{DELIVERY}' not allowed in POST")
    assert changed == (400, "HTTPBadRequest", f"Cannot update read-only attribute {DELIVERY}")


async def test_refusal_of_a_driver_is_told_until_it_is_cured(api: Any, fabric: Fabric, look: Any) -> None:
    """The driver's own words, and when it is asked again; a change of the resource may be the cure."""
    network = await api.create("network")
    await look("network", network["id"], "in_sync")
    fabric.script.answer("create_port_postcommit", Infeasible("leaf1 has no VLAN left", code="NO_VLAN"))
    port = await api.create("port", network_id=network["id"])

    refused = await look("port", port["id"], "refused")
    assert (refused["reason"], refused["message"]) == ("NO_VLAN", "leaf1 has no VLAN left")
    assert (refused["attempts"], refused["owed"]) == (1, True)
    assert refused["next_attempt"] > refused["since"]
    (listed,) = await api.list("deliveries", "state=refused")
    assert (listed["kind"], listed["resource_id"], listed["network_id"]) == ("port", port["id"], network["id"])
    assert listed["id"] == f"fabric:port:{port['id']}"
    assert (await api.get(f"deliveries/{listed['id']}"))["delivery"] == listed

    await api.update("port", port["id"], name="cured")
    cured = await look("port", port["id"], "in_sync")
    assert (cured["acknowledged_revision"], cured["attempts"], cured["reason"]) == (2, 0, "")


async def test_failure_that_passes_is_retried(api: Any, fabric: Fabric, look: Any) -> None:
    """Until the driver says so, at a time that is told."""
    fabric.script.answer("create_network_postcommit", RetryLater("leaf1 is busy", 600, code="BUSY"))
    network = await api.create("network")

    retried = await look("network", network["id"], "retrying")

    assert (retried["reason"], retried["message"]) == ("BUSY", "leaf1 is busy")
    assert retried["next_attempt"] > retried["since"]


async def test_silent_driver_makes_its_part_unknown_and_changes_no_port(api: Any, fabric: Fabric, look: Any) -> None:
    """What it acknowledged may be lost or not; the port stays what it was, and so does its revision."""
    fabric.script.answer(
        "bind_port", lambda context: Bound(context.segments[0].id, vif_type="ovs", vif_details={}, wired=True)
    )
    network = await api.create("network")
    port = await api.create("port", network_id=network["id"], **{"binding:host_id": "host-1"})

    async def stored() -> Any:
        return (await api.get(f"ports/{port['id']}"))["port"]

    async def is_active() -> bool:
        return (await stored())["status"] == "ACTIVE"

    await eventually(is_active)
    await look("port", port["id"], "in_sync")
    before = await stored()

    await fabric.down()

    silent = await look("port", port["id"], "unknown")
    assert (silent["owed"], silent["reason"], silent["acknowledged_revision"]) == (False, "DRIVER_AWAY", 1)
    after = await stored()
    assert {**after, DELIVERY: None} == {**before, DELIVERY: None}
    assert await api.list("deliveries", "state=in_sync") == []

    await fabric.up()
    await look("port", port["id"], "in_sync")
    assert (await stored())["status"] == "ACTIVE"


async def test_backend_that_is_down_leaves_in_doubt_what_it_may_hold(api: Any, fabric: Fabric, look: Any) -> None:
    """The driver answers and says so itself; what it is owed is told as ever."""
    network = await api.create("network")
    await look("network", network["id"], "in_sync")
    await fabric.down()
    fabric.health = BackendHealth.DOWN
    fabric.script.answer("create_port_postcommit", RetryLater("leaf1 is away", 600, code="AWAY"))
    await fabric.up()

    async def is_doubted() -> Any:
        one = await look("network", network["id"], "unknown")
        return one if one["reason"] == "BACKEND_UNREACHABLE" else None

    doubted = await eventually(is_doubted)
    assert doubted["message"] == "it cannot reach leaf1: no route"
    port = await api.create("port", network_id=network["id"])
    assert (await look("port", port["id"], "retrying"))["reason"] == "AWAY"


async def test_deletion_that_a_driver_has_not_heard_of_is_ending(api: Any, look: Any) -> None:
    """Gone for users, and still listed with whom it waits for."""
    network = await api.create("network")
    await look("network", network["id"], "in_sync")
    await api.delete("network", network["id"])

    async def is_left_alone() -> Any:
        left = await api.list("deliveries", f"network_id={network['id']}")
        return left if [one["driver"] for one in left] == ["absent"] else None

    (left,) = await eventually(is_left_alone)
    assert (left["state"], left["owed"], left["desired_revision"]) == ("ending", True, 2)
    assert left["reason"] == "DRIVER_AWAY"
    assert (await api.list("deliveries", "state=ending"))[0]["id"] == left["id"]


async def test_lists_of_deliveries_come_in_pages(api: Any, application: Application) -> None:
    """Following the links shows each delivery once; filters hold on every page."""
    for _ in range(4):
        await api.create("network")
    everything = [one["id"] for one in await api.list("deliveries")]
    assert len(everything) == 8

    for query, wanted in (
        ("limit=3", everything),
        ("limit=3&driver=absent", [id for id in everything if id.startswith("absent:")]),
    ):
        seen: list[str] = []
        url: str | None = f"/v2.0/deliveries?{query}"
        while url:
            page = (await api.http.get(url)).json()
            seen += [one["id"] for one in page["deliveries"]]
            links = {link["rel"]: link["href"] for link in page.get("deliveries_links", ())}
            url = links.get("next")
        assert seen == wanted

    last = await api.list("deliveries", f"limit=3&page_reverse=True&marker={everything[5]}")
    assert [one["id"] for one in last] == everything[2:5]
    (narrow,) = await api.list("deliveries", "fields=state&fields=id&limit=1&driver=absent&owed=true")
    assert [*narrow] == ["state", "id"]


async def test_questions_that_make_no_sense_are_refused(api: Any) -> None:
    """With the name of what is wrong."""
    status, kind, message = await api.refused("GET", "deliveries?state=fine")
    assert (status, kind) == (400, "HTTPBadRequest")
    assert "'fine' is not in ['in_sync', 'pending'," in message
    assert (await api.refused("GET", "deliveries?colour=red"))[0] == 400
    assert (await api.refused("GET", "deliveries?owed=perhaps"))[0] == 400
    assert (await api.refused("GET", "deliveries?sort_key=state&sort_dir=asc"))[0] == 400
    assert (await api.refused("GET", "deliveries?limit=1&marker=nonsense"))[:2] == (404, "DeliveryNotFound")
    assert (await api.refused("GET", "deliveries/nonsense"))[:2] == (404, "DeliveryNotFound")
    assert (await api.refused("GET", "deliveries/fabric:port:%00"))[:2] == (404, "DeliveryNotFound")
    assert (await api.refused("POST", "deliveries", json={}))[:2] == (405, "HTTPMethodNotAllowed")


async def test_reasons_of_a_failed_binding_are_for_administrators(api: Any, fabric: Fabric) -> None:
    """Which driver did not bind, at which level, and why; users see that the port is down."""
    network = await api.create("network")
    port = await api.create("port", network_id=network["id"], **{"binding:host_id": "host-1"})

    assert port["binding:vif_type"] == "binding_failed"
    ((failure),) = port["binding:failures"]
    assert (failure["driver"], failure["level"]) == ("fabric", 0)
    assert failure["reason"]
    for path in (f"ports/{port['id']}", "ports"):
        answer = (await api.http.get(f"/v2.0/{path}", headers=USER)).json()
        seen = answer["port"] if "port" in answer else answer["ports"][0]
        assert seen["status"] == "DOWN"
        assert "binding:vif_type" not in seen
        assert "binding:failures" not in seen
        assert "jackfield:wiring" not in seen


async def test_port_that_a_host_cannot_wire_says_why(api: Any, application: Application, fabric: Fabric) -> None:
    """An error without a reason would be no help to anybody."""
    fabric.script.answer("bind_port", lambda context: Bound(context.segments[0].id, vif_type="ovs"))
    network = await api.create("network")
    port = await api.create("port", network_id=network["id"], **{"binding:host_id": "host-1"})
    async with application.unit_of_work() as tx:
        await tx.ports.hold([port["id"]])
        await tx.ports.set_wiring([WiringReport(port["id"], "host-1", "error", "no such bridge")])
        await FaultTable(tx.connection, ["fabric"]).refresh(Kind.PORT, [port["id"]])

    shown = await api.show("port", port["id"])

    assert (shown["status"], shown["jackfield:wiring"]) == ("ERROR", {"state": "error", "reason": "no such bridge"})


async def test_extension_tells_of_it(api: Any) -> None:
    """Clients look for an alias before they use what it promises."""
    aliases = {one["alias"] for one in await api.list("extensions")}

    assert {"jackfield-delivery", "jackfield-binding-failures"} <= aliases
    assert {"name": "delivery", "collection": "deliveries"}.items() <= next(
        one for one in (await api.get(""))["resources"] if one["collection"] == "deliveries"
    ).items()
