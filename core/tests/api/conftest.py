"""The API of a real application on a real database, without drivers."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import pytest
from jackfield_core import config
from jackfield_core.app import Application


class Client:
    """A Neutron client as thin as can be; what is not asked about has to succeed."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def get(self, path: str, **query: Any) -> Any:
        """Return the body of an answer."""
        answer = await self.http.get(f"/v2.0/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def show(self, kind: str, id: str) -> Any:
        """Return a resource as who created or changed it was told, without what only a look at it shows."""
        shown = (await self.get(f"{kind}s/{id}"))[kind]
        shown.pop("jackfield:delivery", None)
        return shown

    async def list(self, collection: str, query: str = "") -> Any:
        """Return the resources of a collection."""
        answer = await self.http.get(f"/v2.0/{collection}?{query}")
        assert answer.status_code == 200, answer.text
        return answer.json()[collection]

    async def create(self, kind: str, /, **attributes: Any) -> Any:
        """Create a resource."""
        answer = await self.http.post(f"/v2.0/{kind}s", json={kind: attributes})
        assert answer.status_code == 201, answer.text
        return answer.json()[kind]

    async def update(self, kind: str, id: str, headers: dict[str, str] | None = None, /, **attributes: Any) -> Any:
        """Change a resource."""
        answer = await self.http.put(f"/v2.0/{kind}s/{id}", json={kind: attributes}, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()[kind]

    async def delete(self, name: str, id: str) -> None:
        """Delete a resource."""
        answer = await self.http.delete(f"/v2.0/{name}s/{id}")
        assert (answer.status_code, answer.content) == (204, b"")

    async def refused(self, method: str, path: str, **request: Any) -> tuple[int, str, str]:
        """Send a request that has to fail; return status, error type and message."""
        answer = await self.http.request(method, f"/v2.0/{path}", **request)
        error = answer.json()["NeutronError"]
        assert set(error) == {"type", "message", "detail"}
        return answer.status_code, error["type"], error["message"]


@pytest.fixture
def settings(database_url: str) -> config.Settings:
    """Configure small ranges, and no drivers."""
    return config.Settings(
        roles=["api"],
        database=config.Database(url=database_url),
        segments=config.Segments(
            vlan=config.TypeDriverSettings(ranges=["physnet1:100:199"]),
            vxlan=config.TypeDriverSettings(ranges=["1000:1999"]),
        ),
    )


@pytest.fixture
async def application(settings: config.Settings) -> AsyncIterator[Application]:
    """Run the whole application, but for its socket."""
    application = Application(settings)
    await application.start()
    yield application
    await application.stop()


@pytest.fixture
async def api(application: Application) -> AsyncIterator[Client]:
    """Open a client that calls the API without a socket; what the API raises, the test sees."""
    transport = httpx.ASGITransport(application.api, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://core") as http:
        yield Client(http)


COLLECTIONS = ("networks", "subnets", "ports", "segments")


class Existing:
    """What stands in the database before a bad request, and what placeholders mean."""

    def __init__(self, api: Any, ids: Mapping[str, str]) -> None:
        self._api = api
        self.ids = ids

    async def everything(self) -> dict[str, list[Any]]:
        """Return all resources."""
        return {collection: await self._api.list(collection) for collection in COLLECTIONS}

    @staticmethod
    def check(request: str, refused: tuple[int, str, str], expected: list[Any]) -> None:
        """Expect status and type of a refusal, and words in its message."""
        status, type_, message = refused
        assert (status, type_) == tuple(expected[:2]), f"{request}: {refused}"
        assert expected[2] in message, f"{request}: {message}"

    def fill(self, value: Any) -> Any:
        """Put ids in the place of placeholders."""
        if isinstance(value, str):
            return value.format(**self.ids) if "{" in value else value
        if isinstance(value, list):
            return [self.fill(inner) for inner in value]
        if isinstance(value, dict):
            return {name: self.fill(inner) for name, inner in value.items()}
        return value


@pytest.fixture
async def existing(api: Any) -> Existing:
    """Create one resource of each kind."""
    network = await api.create("network")
    subnet = await api.create("subnet", network_id=network["id"], ip_version=4, cidr="192.0.2.0/24")
    port = await api.create("port", network_id=network["id"])
    segment = (await api.list("segments"))[0]
    return Existing(
        api,
        {
            "network": network["id"],
            "subnet": subnet["id"],
            "port": port["id"],
            "segment": segment["id"],
            "mac": port["mac_address"],
            "ip": port["fixed_ips"][0]["ip_address"],
        },
    )
