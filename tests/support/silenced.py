"""A user who creates ports while the only driver is stopped in its tracks (SIGSTOP): its sockets stay open.

    with Cloud(url, settings=HURRIED) as cloud, User(cloud) as user:
        user.until_bound()
        cloud.drivers["fabric"].suspend()
        user.create_port()  # 503 if the driver is required, 201 if it is advisory

A test looks at the answers, and at what came of them; `bench.silence` looks at the clock.
"""

from typing import Any, Self

import httpx

from support.cloud import Cloud
from support.waiting import wait_until


class User:
    """A client of the first core's API, with a network; a context manager."""

    def __init__(self, cloud: Cloud) -> None:
        """Take the cloud, which runs."""
        self._cloud = cloud
        self._api = httpx.Client(base_url=f"{cloud.url}/v2.0", timeout=60, transport=httpx.HTTPTransport())

    def __enter__(self) -> Self:
        self._network = self._created("network")["id"]
        self._created("subnet", network_id=self._network, ip_version=4, cidr="10.0.0.0/16")
        return self

    def __exit__(self, *_: object) -> None:
        self._api.close()

    def create_port(self) -> httpx.Response:
        """Create a port on a host: the driver is asked for a verdict, and to bind it."""
        return self._api.post("/ports", json={"port": {"network_id": self._network, "binding:host_id": "host-1"}})

    def create_network(self) -> httpx.Response:
        """Create a network: the driver is asked for a verdict."""
        return self._api.post("/networks", json={"network": {}})

    def until_bound(self) -> None:
        """Wait until ports are created, and bound by the driver."""

        def is_bound() -> bool:
            answer = self.create_port()
            return answer.status_code == 201 and answer.json()["port"]["binding:vif_type"] == "other"

        wait_until(is_bound, what="the driver to be asked again", interval=0.1)

    def is_asked(self) -> bool:
        """Return whether the core would ask the driver."""
        return bool(self._look("/readyz").json()["drivers"]["fabric"] == "ready")

    def verdicts_asked(self) -> float:
        """Return how many verdicts the core has asked for, with or without an answer, trials included."""
        text = self._look("/metrics").text
        lines = (line for line in text.splitlines() if line.startswith("jackfield_driver_calls_total{"))
        return sum(float(line.rpartition(" ")[2]) for line in lines if 'rpc="Precommit"' in line)

    def _created(self, kind: str, **body: Any) -> Any:
        """Create a resource and return it; again if the driver was late, as it may be on a busy machine."""
        answers: list[httpx.Response] = []

        def is_created() -> bool:
            answers.append(self._api.post(f"/{kind}s", json={kind: body}))
            return answers[-1].status_code == 201

        wait_until(is_created, what=lambda: f"a {kind}: {answers[-1].text}", interval=0.1)
        return answers[-1].json()[kind]

    def _look(self, path: str) -> httpx.Response:
        return httpx.get(f"{self._cloud.url}{path}", trust_env=False, timeout=60)
