"""A port with a binding on the host that its server moves to."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import openstack
import pytest
import uvicorn
from jackfield_core import config
from jackfield_core.app import Application
from jackfield_sdk import BindContext, Bound, Rejected, ServerSettings, Skip, start_server
from jackfield_sdk.testing import RecordingDriver

pytestmark = pytest.mark.filterwarnings(
    "ignore::openstack.warnings.RemovedInSDK50Warning", "ignore::openstack.warnings.RemovedInSDK60Warning"
)

NOWHERE = "nowhere"


class Fabric(RecordingDriver):
    """Binds ports on every host but one, and remembers what it is told."""

    name = "fabric"

    async def bind_port(self, context: BindContext) -> Bound | Skip:
        await self.script.play("bind_port", context)
        host = context.host.name
        return Skip("no agent there") if host == NOWHERE else Bound(context.segments[0].id, "ovs", {"bridge": host})

    def moves(self) -> list[tuple[str, str]]:
        """Return the changes of a port's host that were delivered: from where, to where."""
        told = self.script.called("update_port_postcommit")
        hosts = [(change.original.binding.host, change.current.binding.host) for change in told]
        return [move for move in hosts if move[0] != move[1]]


@pytest.fixture
async def fabric(tmp_path: Path) -> AsyncIterator[Fabric]:
    """Serve the driver."""
    fabric = Fabric()
    server = await start_server(fabric, ServerSettings(listen=f"unix://{tmp_path}/f.sock"))
    yield fabric
    await server.stop()


@pytest.fixture
def settings(settings: config.Settings, fabric: Fabric, tmp_path: Path) -> config.Settings:
    """Configure the driver, and deliver to it."""
    driver = config.Driver(name="fabric", endpoint=f"unix://{tmp_path}/f.sock")
    patient = config.Mechanism(precommit_budget=10, bind_timeout=10, bind_budget=20)
    return settings.model_copy(update={"roles": ["api", "dispatcher"], "drivers": [driver], "mechanism": patient})


@pytest.fixture
async def application(application: Application) -> Application:
    """Wait until the driver takes calls."""
    await application.drivers_ready(20)
    return application


@pytest.fixture
async def port(api: Any) -> Any:
    """Create the port of a server on host "source"."""
    network = await api.create("network")
    return await api.create("port", **server_on("source", network["id"]))


def server_on(host: str, network_id: str) -> dict[str, Any]:
    """Return the attributes of a server's port."""
    return {"network_id": network_id, "device_owner": "compute:nova", "device_id": "server", "binding:host_id": host}


async def bind(api: Any, port: Any, host: str, **attributes: Any) -> Any:
    """Add a binding; return it."""
    body = {"binding": {"host": host, **attributes}}
    answer = await api.http.post(f"/v2.0/ports/{port['id']}/bindings", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["binding"]


async def activate(api: Any, port: Any, host: str) -> Any:
    """Activate a binding, as compute services do: without a body."""
    answer = await api.http.put(f"/v2.0/ports/{port['id']}/bindings/{host}/activate")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def states(api: Any, port: Any) -> dict[str, str]:
    """Return the status of each binding, by host."""
    found = (await api.get(f"ports/{port['id']}/bindings"))["bindings"]
    return {one["host"]: one["status"] for one in found}


async def test_second_binding_waits(api: Any, port: Any) -> None:
    """A binding on another host is complete, and leaves the port as it is."""
    binding = await bind(api, port, "target", profile={"migrating_to": "target"})

    assert binding == {
        "host": "target",
        "status": "INACTIVE",
        "vnic_type": "normal",
        "profile": {"migrating_to": "target"},
        "vif_type": "ovs",
        "vif_details": {"bridge": "target", "bound_drivers": {"0": "fabric"}},
        "failures": [],
    }
    assert await states(api, port) == {"source": "ACTIVE", "target": "INACTIVE"}
    assert await api.show("port", port["id"]) == port


async def test_activation_moves_the_port(api: Any, port: Any, fabric: Fabric, application: Application) -> None:
    """The port is on the new host, drivers are told from where to where, and hosts of both have to look."""
    binding = await bind(api, port, "target")
    await application.settled(20)
    async with application.unit_of_work.reading() as tables:
        seen = await tables.feed.last()

    active = await activate(api, port, "target")

    assert active == {**binding, "status": "ACTIVE"}
    moved = await api.show("port", port["id"])
    assert (moved["binding:host_id"], moved["binding:vif_details"]["bridge"]) == ("target", "target")
    assert moved["revision_number"] == port["revision_number"] + 1
    assert await states(api, port) == {"target": "ACTIVE", "source": "INACTIVE"}
    async with application.unit_of_work.reading() as tables:
        assert {entry.host for entry in await tables.feed.after(seen)} == {"source", "target"}
        ((level,),) = (await tables.ports.levels([port["id"]])).values()
    assert level.driver == "fabric"
    await application.settled(20)
    assert fabric.moves() == [("source", "target")]
    (told,) = fabric.script.called("update_port_precommit")
    assert (told.original.binding.levels, told.current.binding.levels[0].driver) == (
        told.current.binding.levels,
        "fabric",
    )


async def test_move_can_be_taken_back(api: Any, port: Any) -> None:
    """The binding that was active is as it was, and can be active again without any driver being asked."""
    await bind(api, port, "target")
    await activate(api, port, "target")

    await activate(api, port, "source")

    back = await api.show("port", port["id"])
    assert {name: value for name, value in back.items() if name.startswith("binding:")} == {
        name: value for name, value in port.items() if name.startswith("binding:")
    }
    assert await states(api, port) == {"source": "ACTIVE", "target": "INACTIVE"}


async def test_refused_move_changes_nothing(api: Any, port: Any, fabric: Fabric) -> None:
    """A driver may refuse the move before it is made; then the port stays, and the binding still waits."""
    await bind(api, port, "target")
    fabric.script.answer("update_port_precommit", Rejected("the leaf is full"))

    status, type, _ = await api.refused("PUT", f"ports/{port['id']}/bindings/target/activate")

    assert (status, type) == (409, "MechanismDriverError")
    assert await states(api, port) == {"source": "ACTIVE", "target": "INACTIVE"}
    assert await api.show("port", port["id"]) == port


async def test_binding_of_the_old_host_is_deleted(api: Any, port: Any) -> None:
    """After a move the compute service removes what is left behind; a second time there is nothing."""
    await bind(api, port, "target")
    await activate(api, port, "target")
    path = f"ports/{port['id']}/bindings/source"

    answer = await api.http.delete(f"/v2.0/{path}")

    assert (answer.status_code, answer.content) == (204, b"")
    assert await states(api, port) == {"target": "ACTIVE"}
    assert (await api.refused("DELETE", path))[:2] == (404, "PortBindingNotFound")


async def test_without_its_active_binding_a_port_is_unbound(api: Any, port: Any) -> None:
    """Deleting the active binding takes the port from its host; a binding that waits can still become active."""
    await bind(api, port, "target")

    await api.http.delete(f"/v2.0/ports/{port['id']}/bindings/source")

    unbound = await api.show("port", port["id"])
    assert (unbound["binding:host_id"], unbound["binding:vif_type"]) == ("", "unbound")
    await activate(api, port, "target")
    assert await states(api, port) == {"target": "ACTIVE"}


async def test_binding_that_waits_is_asked_for_anew(api: Any, port: Any, fabric: Fabric) -> None:
    """A changed profile of either binding is told to drivers, and only the active one's changes the port."""
    await bind(api, port, "target")
    path = f"/v2.0/ports/{port['id']}/bindings"

    waiting = await api.http.put(f"{path}/target", json={"binding": {"profile": {"slot": 1}}})
    active = await api.http.put(f"{path}/source", json={"binding": {"profile": {"slot": 2}}})

    assert waiting.json()["binding"]["profile"] == {"slot": 1}
    assert active.json()["binding"]["status"] == "ACTIVE"
    profiles = [context.port.binding.profile for context in fabric.script.called("bind_port")]
    assert profiles[-2:] == [{"slot": 1}, {"slot": 2}]
    changed = await api.show("port", port["id"])
    assert changed["binding:profile"] == {"slot": 2}
    assert changed["revision_number"] == port["revision_number"] + 1


async def test_moved_by_its_host_a_port_has_one_binding_there(api: Any, port: Any) -> None:
    """A port that is bound on the host directly leaves nothing that waits for the same host."""
    await bind(api, port, "target")

    await api.update("port", port["id"], **{"binding:host_id": "target"})

    assert await states(api, port) == {"target": "ACTIVE"}


async def test_moves_at_the_same_time_leave_one_active_binding(api: Any, port: Any) -> None:
    """Whoever is last wins; no binding is lost or doubled."""
    for host in ("a", "b"):
        await bind(api, port, host)
    path = f"/v2.0/ports/{port['id']}/bindings"

    answers = await asyncio.gather(*(api.http.put(f"{path}/{host}/activate") for host in ("a", "b")))

    assert [answer.status_code for answer in answers] == [200, 200]
    found = await states(api, port)
    assert sorted(found) == ["a", "b", "source"]
    assert sorted(found.values()) == ["ACTIVE", "INACTIVE", "INACTIVE"]
    assert found[(await api.show("port", port["id"]))["binding:host_id"]] == "ACTIVE"


async def test_segment_of_a_binding_that_waits_stays(api: Any) -> None:
    """A segment cannot go while a port may be activated on it."""
    network = await api.create("network")
    segments = await api.list("segments", f"network_id={network['id']}")
    port = await api.create("port", **server_on("", network["id"]))
    await bind(api, port, "target")

    status, type, _ = await api.refused("DELETE", f"segments/{segments[0]['id']}")

    assert (status, type) == (409, "SegmentInUse")


async def test_nobody_binds_it_there(api: Any, port: Any) -> None:
    """A binding that fails is not kept; who asks is told every driver's reason."""
    answer = await api.http.post(f"/v2.0/ports/{port['id']}/bindings", json={"binding": {"host": NOWHERE}})

    assert answer.status_code == 409
    assert answer.json()["NeutronError"] == {
        "type": "PortBindingError",
        "message": f"Binding for port {port['id']} on host nowhere could not be created or updated.",
        "detail": "fabric (level 0): no agent there",
    }
    assert await states(api, port) == {"source": "ACTIVE"}


REFUSALS = [
    ("POST", "", {"binding": {"host": "source"}}, (409, "PortBindingAlreadyExists")),
    ("POST", "", {"binding": {"host": "target"}}, (409, "PortBindingAlreadyExists")),
    ("POST", "", {"binding": {"host": ""}}, (400, "HTTPBadRequest")),
    ("POST", "", {"binding": {"host": "a", "status": "ACTIVE"}}, (400, "HTTPBadRequest")),
    ("POST", "", {"binding": {"host": "a", "vnic_type": "strange"}}, (400, "HTTPBadRequest")),
    ("GET", "/other", None, (404, "PortBindingNotFound")),
    ("GET", "?colour=red", None, (400, "HTTPBadRequest")),
    ("PUT", "/other", {"binding": {"profile": {}}}, (404, "PortBindingNotFound")),
    ("PUT", "/target", {"binding": {"host": "other"}}, (400, "HTTPBadRequest")),
    ("PUT", "/other/activate", None, (404, "PortBindingNotFound")),
    ("PUT", "/source/activate", None, (409, "PortBindingAlreadyActive")),
    ("GET", "/target/activate", None, (405, "HTTPMethodNotAllowed")),
    ("GET", "/target/colour", None, (404, "HTTPNotFound")),
    ("DELETE", "/other", None, (404, "PortBindingNotFound")),
]


async def test_refusals_have_the_types_of_neutron(api: Any, port: Any) -> None:
    """Clients tell by status and type what they did wrong."""
    await bind(api, port, "target")

    for method, path, body, expected in REFUSALS:
        refused = await api.refused(method, f"ports/{port['id']}/bindings{path}", json=body)
        assert (method, path, refused[:2]) == (method, path, expected)


async def test_host_that_no_path_could_name_is_refused(api: Any, port: Any) -> None:
    """A binding is found by its host in a path, so no port gets to a host that does not fit there."""
    names = ("a/b", "/", " ", "a\x00b", "a\nb", "\x7f", "..", ".")
    for name in names:
        attributes = {"binding:host_id": name}
        for method, path, body, at_fault in (
            ("POST", f"ports/{port['id']}/bindings", {"binding": {"host": name}}, "host"),
            ("POST", "ports", {"port": {"network_id": port["network_id"], **attributes}}, "binding:host_id"),
            ("PUT", f"ports/{port['id']}", {"port": attributes}, "binding:host_id"),
        ):
            status, type, message = await api.refused(method, path, json=body)
            assert (name, path, status, type) == (name, path, 400, "HTTPBadRequest")
            assert message.startswith(f"Invalid input for {at_fault}. Reason: ")

    for name in ("compute-1.example.org", "node 1", "ü?#%"):
        await bind(api, port, name)
        assert (await api.get(f"ports/{port['id']}/bindings/{quote(name)}"))["binding"]["host"] == name


async def test_only_ports_of_servers_have_several_bindings(api: Any, port: Any) -> None:
    """A port of anything else, and one that is not there, have none to look at."""
    other = await api.create("port", network_id=port["network_id"], device_owner="network:dhcp")
    missing = "00000000-0000-4000-8000-000000000000"

    assert (await api.refused("GET", f"ports/{other['id']}/bindings"))[:2] == (400, "BadRequest")
    assert (await api.refused("GET", f"ports/{missing}/bindings"))[:2] == (404, "PortNotFound")


async def test_bindings_are_for_administrators_and_services(api: Any, port: Any) -> None:
    """Where a server is, and where it goes, is not for its owner."""
    path = f"/v2.0/ports/{port['id']}/bindings"

    answers = {role: await api.http.get(path, headers={"X-Roles": role}) for role in ("admin", "service", "member")}

    assert {role: answer.status_code for role, answer in answers.items()} == {
        "admin": 200,
        "service": 200,
        "member": 403,
    }


async def test_list_is_narrowed(api: Any, port: Any) -> None:
    """Filters match any of their values, and fields choose what is shown."""
    await bind(api, port, "target")

    async def found(query: str) -> Any:
        return (await api.http.get(f"/v2.0/ports/{port['id']}/bindings?{query}")).json()["bindings"]

    async def hosts(query: str) -> list[str]:
        return [one["host"] for one in await found(query)]

    assert await hosts("status=INACTIVE") == ["target"]
    assert await hosts("host=source&host=target&vif_type=ovs") == ["source", "target"]
    assert await hosts("vif_type=bridge") == []
    assert await found("status=ACTIVE&fields=host&fields=status") == [{"host": "source", "status": "ACTIVE"}]


async def test_sdk_migrates_a_port(application: Application, port: Any) -> None:
    """openstacksdk, unmodified, does what a live migration does: bind, activate, delete."""
    server = uvicorn.Server(uvicorn.Config(application.api, port=0, lifespan="off", log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(20):
        while not server.started:
            await asyncio.sleep(0.01)
    endpoint = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    def story() -> None:
        cloud = openstack.connect(
            load_yaml_config=False, load_envvars=False, auth_type="none", auth={"endpoint": endpoint}
        )
        network = cloud.network
        assert network.find_extension("binding-extended", ignore_missing=False).alias == "binding-extended"
        binding = network.create_port_binding(port["id"], host="target", vnic_type="normal", profile={})
        assert (binding.host, binding.status, binding.vif_type) == ("target", "INACTIVE", "ovs")
        active = network.activate_port_binding(port["id"], "target")
        assert active is not None
        assert (active.host, active.status) == ("target", "ACTIVE")
        assert network.get_port(port["id"]).binding_host_id == "target"
        network.delete_port_binding(port["id"], "source", ignore_missing=False)
        assert [one.host for one in network.port_bindings(port["id"])] == ["target"]

    try:
        await asyncio.to_thread(story)
    finally:
        server.should_exit = True
        await serving
