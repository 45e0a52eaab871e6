"""A cloud with a good driver and two evil ones, and what can be seen of it from outside.

The good driver carries everything and binds ports. The evil ones, one of them ``required`` and one
``advisory``, take part in networks and bind ports of VLAN networks, and come first in the order.
So a port on a VXLAN network needs neither of them: how long it takes is how well the core keeps
drivers apart.
"""

import json
import socket
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg
from support.cloud import BIN, Cloud
from support.processes import Process, accepts
from support.waiting import wait_until

POLICIES = ("required", "advisory")
SAMPLES = 15
"""Ports of others that are created while a driver misbehaves."""
BUDGET = 20.0
"""Seconds that a driver may take for a verdict: on a busy machine one that means well is not to be late."""
HURRY = 1.0
"""The same where it is the silence of a driver that is looked at, and where every call that hangs takes so long."""
BIND_TIMEOUT = 5.0
"""Seconds that a driver may take to bind a port."""
PATIENCE = 60.0
"""Seconds until a test gives up waiting for the core to heal."""
ANSWER = 90.0
"""Seconds that the core may take for an answer."""

_SETTINGS = """
[logging]
json_lines = true
level = "INFO"
[mechanism]
precommit_budget = {budget}
bind_timeout = {bind_timeout}
bind_budget = 30.0
reconnect_interval = 0.2
handshake_timeout = 1.0
breaker_retry = 0.5
rebind_interval = 1.0
[dispatcher]
poll_interval = 0.2
backoff_first = 0.1
backoff_max = 1.0
infeasible_retry = 1.0
# Who had to wait for an evil driver would be told in an hour.
order_hold = 3600.0
[segments.vlan]
ranges = ["leaf1:100:1999"]
"""


class EvilProcess:
    """The process of an evil driver, and the line on which it is told what to do."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.endpoint = f"unix://{folder}/{name}.sock"
        self._control = folder / f"{name}.control"
        self._version = 1
        who = ["--name", name, "--listen", self.endpoint, "--control", str(self._control)]
        self.process = Process(
            name,
            [BIN / "python", "-m", "mirror.evil", *who],
            log=folder / f"{name}.log",
            ready=accepts(self._control),
        )

    def turn(self, mode: str, *, on: Sequence[str] = (), reborn: bool = False, every: float = 0.0) -> None:
        """Misbehave in one way, in the calls *on* or in all; be another process, once or *every* so many seconds."""
        self._tell(mode=mode, on=[*on], reborn=reborn, every=every)

    def behave(self) -> str:
        """Be good, as a new version that an operator has installed; return the id of the process that it is then."""
        self._version += 1
        return str(self._tell(mode="good", version=str(self._version), reborn=True)["instance_id"])

    def learn(self, ports: Sequence[str]) -> None:
        """Get to know ports of others, to lie about them."""
        self._tell(ports=[*ports])

    @property
    def held(self) -> dict[str, int]:
        """What it acknowledged while it was good: id to revision."""
        held: dict[str, int] = self._tell()["held"]
        return held

    @property
    def calls(self) -> Counter[str]:
        """How often each call came."""
        return Counter(self._tell()["calls"])

    @property
    def longest(self) -> dict[str, float]:
        """The most seconds that any call of a kind was given, since it was born."""
        longest: dict[str, float] = self._tell()["longest"]
        return longest

    @property
    def heard_of(self) -> set[str]:
        """The resources that it was asked about or told of, since it was born."""
        return {*self._tell()["heard_of"]}

    def _tell(self, **order: Any) -> dict[str, Any]:
        """Give an order, again if it died before it answered: one that dies in every call comes up by itself."""
        answers: list[dict[str, Any]] = []

        def has_answered() -> bool:
            if not self.process.alive:
                self.process.start()
            try:
                answers.append(self._say(order))
            except (OSError, ValueError):
                return False
            return True

        wait_until(has_answered, what=f"{self.name} to obey", timeout=PATIENCE)
        return answers[0]

    def _say(self, order: dict[str, Any]) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self._control))
            client.sendall(json.dumps(order).encode() + b"\n")
            with client.makefile("rb") as answers:
                answer: dict[str, Any] = json.loads(answers.readline())
                return answer


@dataclass(frozen=True)
class Latency:
    """Seconds of the API's answer, and from there until the good driver has acknowledged; of one port, or medians."""

    api: float
    delivery: float


class Stage:
    """A core, its drivers, and a client; *budget* is in seconds."""

    def __init__(self, database_url: str, budget: float = HURRY, bind_timeout: float = HURRY) -> None:
        self.database_url = database_url
        self.budget = budget
        self.bind_timeout = bind_timeout
        settings = _SETTINGS.format(budget=budget, bind_timeout=bind_timeout)
        self._cloud = Cloud(database_url, drivers=["good"], keep_state=False, settings=settings)
        self.evil = {policy: EvilProcess(f"evil-{policy}", self._cloud.folder) for policy in POLICIES}
        listed = "".join(
            f'[[drivers]]\nname = "{evil.name}"\nendpoint = "{evil.endpoint}"\npolicy = "{policy}"\n'
            for policy, evil in self.evil.items()
        )
        # The order of drivers is the order of the file.
        config = self._cloud.configs[0]
        before, mark, after = config.read_text().partition("[[drivers]]")
        config.write_text(f"{before}{listed}{mark}{after}")

    def __enter__(self) -> Self:
        try:
            for evil in self.evil.values():
                evil.process.start()
            self._cloud.__enter__()
        except BaseException:
            self._stop_evil()
            raise
        self.api = httpx.Client(base_url=f"{self._cloud.url}/v2.0", timeout=ANSWER)
        self._root = httpx.Client(base_url=self._cloud.url, timeout=ANSWER)
        self.bystander = in_time(self.create_network).json()["network"]["id"]
        subnet = {"network_id": self.bystander, "ip_version": 4, "cidr": "10.0.0.0/16"}
        in_time(lambda: self.api.post("/subnets", json={"subnet": subnet})).raise_for_status()
        self.until_paid()
        return self

    def __exit__(self, *_: object) -> None:
        self.api.close()
        self._root.close()
        self._cloud.__exit__()
        self._stop_evil()

    def _stop_evil(self) -> None:
        for evil in self.evil.values():
            evil.process.stop()

    # What users do.

    def create_network(self, **attributes: Any) -> httpx.Response:
        """Create a network: the good driver and both evil ones are asked, and told."""
        return self.api.post("/networks", json={"network": attributes})

    def create_port(self, network: str, **attributes: Any) -> httpx.Response:
        """Create a port on a host."""
        body = {"network_id": network, "binding:host_id": "host-1", **attributes}
        return self.api.post("/ports", json={"port": body})

    def serve_others(self, samples: int = SAMPLES) -> list[str]:
        """Create ports that need only the good driver, one after the other; return their ids when it has them all."""
        with psycopg.connect(self.database_url, autocommit=True) as client:
            return [self._serve_other(client)[0] for _ in range(samples)]

    def measure(self, samples: int) -> Latency:
        """Return how long that takes (`bench.evil`)."""
        with psycopg.connect(self.database_url, autocommit=True) as client:
            times = [self._serve_other(client)[1] for _ in range(samples)]
        return Latency(statistics.median(one.api for one in times), statistics.median(one.delivery for one in times))

    def _serve_other(self, client: "psycopg.Connection[Any]") -> tuple[str, Latency]:
        started = time.perf_counter()
        answer = in_time(lambda: self.create_port(self.bystander))
        answered = time.perf_counter()
        assert answer.status_code == 201, answer.text
        id = str(answer.json()["port"]["id"])
        _until_acknowledged(client, id)
        return id, Latency(answered - started, time.perf_counter() - answered)

    # What operators see.

    def until_paid(self) -> None:
        """Wait until nobody is owed anything."""
        wait_until(lambda: not self.owed(), what=lambda: f"debts to be paid: {self.owed()}", timeout=PATIENCE)

    def owed(self, driver: str = "%") -> dict[str, str]:
        """Return what is owed, with the reasons."""
        with psycopg.connect(self.database_url) as client:
            rows = client.execute(
                "SELECT resource_id, driver || ': ' || disposition || ' ' || reason || ' ' || message FROM delivery"
                " WHERE owed AND driver LIKE %s",
                [driver],
            )
            return dict(rows.fetchall())

    def until_ready(self) -> None:
        """Wait until all drivers serve."""

        def is_ready() -> bool:
            return self._root.get("/readyz?drivers=all").status_code == 200

        wait_until(is_ready, what="all drivers to be ready", timeout=PATIENCE)

    def until_idle(self, driver: str) -> None:
        """Wait until no delivery to a driver is under way."""
        wait_until(lambda: not self._claimed(driver), what=f"deliveries to {driver} to end", timeout=PATIENCE)

    def _claimed(self, driver: str) -> bool:
        with psycopg.connect(self.database_url) as client:
            found = client.execute("SELECT 1 FROM delivery WHERE claim IS NOT NULL AND driver = %s LIMIT 1", [driver])
            return found.fetchone() is not None

    def conditions(self) -> dict[str, str]:
        """Return what the core says of each driver."""
        drivers: dict[str, str] = self._root.get("/readyz").json()["drivers"]
        return drivers

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric over all samples with *labels*."""
        text = self._root.get("/metrics").text
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = (line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} ")))
        return sum(float(line.rpartition(" ")[2]) for line in lines if all(part in line for part in wanted))

    def logged(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the lines of the core's log from byte *since* on."""
        return [*_json_lines(self._cloud.core.log.read_bytes()[since:])]

    def log_size(self) -> int:
        """Return the size of the core's log in bytes."""
        return self._cloud.core.log.stat().st_size

    def command(self, *arguments: str) -> str:
        """Run a command of the core; return what it wrote."""
        process = Process(
            "command",
            [BIN / "jackfield", *arguments, "--config", self._cloud.configs[0]],
            log=self._cloud.folder / f"command-{time.monotonic_ns()}.log",
        )
        process.start()
        wait_until(lambda: not process.alive, what=f"jackfield {arguments[0]} to end", timeout=120)
        return process.output()


def in_time(ask: Callable[[], httpx.Response], besides: str = "") -> httpx.Response:
    """Return the answer to a request; ask again if a driver other than *besides* gave no verdict, for it was late."""
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = ask()
        if answer.status_code != 503 or (besides and f'"{besides}"' in answer.text.replace("\\", "")):
            return answer
        if time.monotonic() > deadline:
            return answer


def _until_acknowledged(client: "psycopg.Connection[Any]", id: str) -> None:
    def is_acknowledged() -> bool:
        row = client.execute(
            "SELECT acknowledged_revision FROM delivery WHERE resource_id = %s AND driver = 'good'", [id]
        ).fetchone()
        return row is not None and row[0] is not None

    wait_until(is_acknowledged, what="the good driver to acknowledge", interval=0.001)


def _json_lines(text: bytes) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            # A traceback of the interpreter, or the core's greeting before logs are configured.
            yield {"event": line.decode(errors="replace"), "level": "unstructured"}
