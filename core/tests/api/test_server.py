"""The edges of the API: discovery, paths, sizes, and what goes wrong."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from jackfield_core import config, errors
from jackfield_core.api.server import create_api
from jackfield_core.app import Application
from jackfield_core.extensions.catalogue import EXTENSIONS
from prometheus_client import REGISTRY
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def test_root_names_the_one_version(api: Any) -> None:
    """A client that knows only the endpoint finds v2.0."""
    answer = await api.http.get("/")

    assert answer.json() == {
        "versions": [
            {"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": "http://core/v2.0/"}]},
        ]
    }


@pytest.mark.parametrize("path", ["/v2.0", "/v2.0/"])
async def test_version_names_its_collections(api: Any, path: str) -> None:
    """The root of the version lists what is below it, with links."""
    resources = (await api.http.get(path)).json()["resources"]

    assert {
        "name": "network",
        "collection": "networks",
        "links": [{"rel": "self", "href": "http://core/v2.0/networks"}],
    } in resources
    assert {one["collection"] for one in resources} == {
        "networks",
        "subnets",
        "ports",
        "segments",
        "agents",
        "deliveries",
        "network-implementation-details",
        "port-implementation-details",
        "drivers",
        "extensions",
    }


async def test_links_start_with_the_public_url(application: Application) -> None:
    """Behind a proxy the operator says what links start with."""
    settings = application.settings.model_copy(update={"api": config.Api(public_url="https://cloud.example/network/")})
    transport = httpx.ASGITransport(create_api(application.services, settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://core") as http:
        version = (await http.get("/")).json()["versions"][0]

    assert version["links"][0]["href"] == "https://cloud.example/network/v2.0/"


async def test_extensions_are_found_by_alias(api: Any) -> None:
    """Every alias of the list can be shown, and an unknown one is a clean 404."""
    listed = (await api.get("extensions"))["extensions"]
    aliases = [one["alias"] for one in listed]

    assert aliases == sorted(one.alias for one in EXTENSIONS)
    for alias in aliases:
        assert (await api.get(f"extensions/{alias}"))["extension"]["alias"] == alias
    status, _, message = await api.refused("GET", "extensions/tag-ports-during-bulk-creation")
    assert (status, message) == (404, "Extension with alias tag-ports-during-bulk-creation does not exist")


@pytest.mark.parametrize("form", ["networks/", "networks.json", "networks/{id}.json", "networks/{id}/"])
async def test_paths_may_end_like_those_of_neutron(api: Any, form: str) -> None:
    """A slash or .json at the end of a path changes nothing."""
    network = await api.create("network")

    body = await api.get(form.format(id=network["id"]))

    shown = body.get("network") or body["networks"][0]
    assert network.items() <= shown.items()


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/v2.0/nothing",
        "/v2.0/networks/8d1bd8b3-0d0c-4e9d-bd8c-dc8b4dbcc5a3/nothing",
        "/v2.0networks",
        "/v2.0//networks",
        "/v3/networks",
    ],
)
async def test_unknown_path_is_not_found(api: Any, path: str) -> None:
    """A path that is nowhere has Neutron's body like every other error."""
    answer = await api.http.get(path)

    assert answer.status_code == 404
    assert answer.json()["NeutronError"]["type"] == "HTTPNotFound"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/v2.0/networks", "GET, POST"),
        ("PUT", "/v2.0/networks", "GET, POST"),
        ("POST", "/v2.0/networks/8d1bd8b3-0d0c-4e9d-bd8c-dc8b4dbcc5a3", "GET, PUT, DELETE"),
        ("DELETE", "/v2.0/extensions", "GET"),
        ("POST", "/v2.0/", "GET"),
        ("POST", "/", "GET"),
    ],
)
async def test_wrong_method_is_not_allowed(api: Any, method: str, path: str, allowed: str) -> None:
    """A method that a path does not have names those that it has."""
    answer = await api.http.request(method, path)

    assert answer.status_code == 405
    assert set(allowed.split(", ")) <= set(answer.headers["allow"].split(", "))
    assert answer.json()["NeutronError"]["type"] == "HTTPMethodNotAllowed"


@pytest.mark.parametrize("id", ["blue", "8d1bd8b3", "%00", "8d1bd8b3-0d0c-4e9d-bd8c-dc8b4dbcc5a3"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_name_in_place_of_an_id_is_not_found(api: Any, method: str, id: str) -> None:
    """Clients ask for names before they search by name, and want a clean 404."""
    status, type_, message = await api.refused(method, f"ports/{id}")

    assert (status, type_) == (404, "PortNotFound")
    assert "could not be found" in message


async def test_every_answer_names_its_request(api: Any) -> None:
    """The request id finds the request in the logs, errors included."""
    good, bad = await api.http.get("/v2.0/networks"), await api.http.get("/v2.0/nothing")

    assert good.headers["x-openstack-request-id"].startswith("req-")
    assert bad.headers["x-openstack-request-id"] != good.headers["x-openstack-request-id"]


async def test_large_body_is_refused_unread(application: Application) -> None:
    """A body whose length is too large is never asked for."""
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body was read")

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-length", str(2 << 20).encode())]
    await application.api(_scope("POST", "/v2.0/networks", headers), receive, send)

    assert sent[0]["status"] == 413
    assert b"HTTPRequestEntityTooLarge" in sent[1]["body"]


async def test_large_body_without_length_is_cut_off(api: Any) -> None:
    """A body of unknown length is read as far as the limit."""
    chunks = 0

    async def stream() -> AsyncIterator[bytes]:
        nonlocal chunks
        for _ in range(64):
            chunks += 1
            yield b" " * (1 << 16)

    answer = await api.http.post("/v2.0/networks", content=stream())

    assert answer.status_code == 413
    assert chunks <= 18


async def test_length_that_is_no_number_is_refused(application: Application) -> None:
    """A content length is checked before anything is read."""
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("the body was read")

    async def send(message: Any) -> None:
        sent.append(message)

    await application.api(_scope("POST", "/v2.0/networks", [(b"content-length", b"-1")]), receive, send)

    assert sent[0]["status"] == 400
    assert b"Content-Length" in sent[1]["body"]


async def test_body_in_pieces_is_put_together(api: Any) -> None:
    """A body may arrive in any number of pieces."""

    async def stream() -> AsyncIterator[bytes]:
        for piece in (b'{"net', b"", b'work": {"name": "bl', b'ue"}}'):
            yield piece

    answer = await api.http.post("/v2.0/networks", content=stream())

    assert answer.json()["network"]["name"] == "blue"


async def test_client_that_leaves_is_not_answered(application: Application) -> None:
    """A client that goes away while it sends costs nothing but a number in the metrics."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    before = _count("/v2.0/networks", "POST", "499")
    await application.api(_scope("POST", "/v2.0/networks", []), receive, send)

    assert sent == []
    assert _count("/v2.0/networks", "POST", "499") == before + 1


async def test_requests_are_counted_by_route(api: Any) -> None:
    """Ids never become labels."""
    network = await api.create("network")
    before = _count("/v2.0/networks/{id}", "GET", "200")

    await api.get(f"networks/{network['id']}")

    assert _count("/v2.0/networks/{id}", "GET", "200") == before + 1
    await api.http.request("BREW", "/v2.0/networks")
    assert _count("/v2.0/networks", "other", "405") >= 1


RAISED: list[tuple[Exception, int, str, str]] = [
    (errors.Invalid("the words", type="InvalidIpForNetwork"), 400, "InvalidIpForNetwork", "the words"),
    (errors.NotFound.of("port", "x"), 404, "PortNotFound", "Port x could not be found."),
    (errors.Conflict("the words", type="IpAddressAlreadyAllocated"), 409, "IpAddressAlreadyAllocated", "the words"),
    (errors.RevisionMismatch("the words"), 412, "RevisionNumberConstraintFailed", "the words"),
    (errors.Forbidden("the words"), 403, "PolicyNotAuthorized", "the words"),
    (errors.OverQuota("the words"), 409, "OverQuota", "the words"),
    (errors.Exhausted("the words"), 503, "NoNetworkAvailable", "the words"),
    (errors.DriverRejected("VLAN 7 is reserved", driver="tor"), 409, "MechanismDriverError", "VLAN 7 is reserved"),
    (errors.DriverRejected("no", driver="tor", field="mtu"), 400, "MechanismDriverError", "no"),
    (errors.DriverUnavailable("slow", driver="tor", retry_after=7), 503, "MechanismDriverUnavailable", "slow"),
    (errors.Conflict("a lone \ud800 surrogate"), 409, "Conflict", "a lone ? surrogate"),
    (
        KeyError("secret"),
        500,
        "HTTPInternalServerError",
        "Request Failed: internal server error while processing your request.",
    ),
]


@pytest.mark.parametrize(("error", "status", "type_", "message"), RAISED, ids=lambda one: str(one)[:30])
async def test_errors_have_one_table(
    application: Application, error: Exception, status: int, type_: str, message: str
) -> None:
    """Every error of the core has its status; anything else is a 500 that tells nothing."""

    async def fail(_request: Request) -> Response:
        raise error

    api = create_api(application.services, application.settings, extra_routes=[Route("/fail", fail)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://core") as http:
        answer = await http.get("/fail")

    assert answer.status_code == status
    assert answer.json()["NeutronError"] == {
        "type": type_,
        "message": message,
        "detail": getattr(error, "detail", ""),
    }
    assert answer.headers.get("retry-after") == ("7" if status == 503 and "slow" in message else None)
    assert "secret" not in answer.text


async def test_failure_after_the_first_byte_is_not_papered_over(application: Application) -> None:
    """Once an answer has begun, a fault ends the connection; a second answer would lie."""

    class Half:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise KeyError("halfway")

    api = create_api(application.services, application.settings, extra_routes=[Route("/half", Half())])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://core") as http:
        with pytest.raises(KeyError):
            await http.get("/half")


def _scope(method: str, path: str, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "scheme": "http",
        "root_path": "",
    }


def _count(route: str, method: str, status: str) -> float:
    labels = {"route": route, "method": method, "status": status}
    return REGISTRY.get_sample_value("jackfield_http_requests_total", labels) or 0.0
