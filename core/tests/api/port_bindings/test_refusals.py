"""What a second binding of a port cannot be, and who may not ask for it."""

from typing import Any
from urllib.parse import quote

from support.several_bindings import NOWHERE, bind, states


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
