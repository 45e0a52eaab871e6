"""A port with a binding on the host that its server moves to."""

import asyncio
from typing import Any

import openstack
import pytest
import uvicorn
from jackfield_core.app import Application
from jackfield_sdk import Rejected
from support.several_bindings import Fabric, activate, bind, server_on, states

pytestmark = pytest.mark.filterwarnings(
    "ignore::openstack.warnings.RemovedInSDK50Warning", "ignore::openstack.warnings.RemovedInSDK60Warning"
)


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
    await application.settled(60)
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
    await application.settled(60)
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
