"""A thin client of the Neutron API for tests that make hundreds of calls.

It takes the words of the API as they are (``api.create("port", network_id=…)``) and returns the
resource without its envelope. Where a refusal is what a test is about, `Refused` holds the
status and the error body.
"""

from collections.abc import Mapping
from typing import Any, Self

import httpx
from support.waiting import wait_until

Resource = dict[str, Any]


class Refused(RuntimeError):
    """An answer that is not a success."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(f"{response.request.method} {response.request.url}: {response.status_code} {response.text}")
        self.status = response.status_code
        self.body: Any = response.json() if "json" in response.headers.get("content-type", "") else response.text


class Api:
    """The API of one core; ``kind`` is ``network``, ``subnet``, ``port``, ``segment`` or ``agent``."""

    def __init__(self, url: str) -> None:
        """Talk to the core at *url*, ``http://127.0.0.1:9696``."""
        # The proxy settings of the environment are not meant for this machine's loopback.
        self._client = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def create(self, kind: str, **attributes: Any) -> Resource:
        """Create a resource; names with a colon come as ``**{"binding:host_id": "host-1"}``."""
        return self._resource(kind, self._client.post(f"/v2.0/{kind}s", json={kind: attributes}))

    def show(self, kind: str, id: str) -> Resource:
        """Return one resource."""
        return self._resource(kind, self._client.get(f"/v2.0/{kind}s/{id}"))

    def list(self, kind: str, **filters: str) -> list[Resource]:
        """Return the resources that match."""
        answer: list[Resource] = self._checked(self._client.get(f"/v2.0/{kind}s", params=filters)).json()[f"{kind}s"]
        return answer

    def update(self, kind: str, id: str, **attributes: Any) -> Resource:
        """Change attributes of a resource."""
        return self._resource(kind, self._client.put(f"/v2.0/{kind}s/{id}", json={kind: attributes}))

    def delete(self, kind: str, id: str) -> None:
        """Delete a resource."""
        self._checked(self._client.delete(f"/v2.0/{kind}s/{id}"))

    def bind(self, port_id: str, host: str) -> Resource:
        """Bind a port on one more host, where it waits until it is activated."""
        url = f"/v2.0/ports/{port_id}/bindings"
        return self._resource("binding", self._client.post(url, json={"binding": {"host": host}}))

    def activate(self, port_id: str, host: str) -> None:
        """Move a port to a host where it is bound already."""
        self._checked(self._client.put(f"/v2.0/ports/{port_id}/bindings/{host}/activate"))

    def unbind(self, port_id: str, host: str) -> None:
        """Remove the binding of a port on a host."""
        self._checked(self._client.delete(f"/v2.0/ports/{port_id}/bindings/{host}"))

    def wait_for(self, kind: str, id: str, *, timeout: float = 60.0, **expected: Any) -> Resource:
        """Return the resource once its attributes are as *expected*; *timeout* in seconds.

        Raises:
            TimeoutError: They were not in time; the message shows the resource.
        """
        seen: Resource = {}

        def matches() -> bool:
            seen.update(self.show(kind, id))
            return expected.items() <= seen.items()

        wait_until(matches, what=lambda: f"{kind} with {expected}; it is {seen}", timeout=timeout, interval=0.1)
        return seen

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _resource(self, kind: str, response: httpx.Response) -> Resource:
        answer: Mapping[str, Resource] = self._checked(response).json()
        return answer[kind]

    def _checked(self, response: httpx.Response) -> httpx.Response:
        if not response.is_success:
            raise Refused(response)
        return response
