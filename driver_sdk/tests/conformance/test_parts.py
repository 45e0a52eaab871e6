"""The parts of the suite that decide what a driver is blamed for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from jackfield.driver.v1 import (
    binding_pb2,
    capability_pb2,
    change_pb2,
    driver_pb2,
    mechanism_pb2,
    network_pb2,
    port_pb2,
)
from jackfield_sdk.conformance.endpoint import Endpoint
from jackfield_sdk.conformance.facts import Facts
from jackfield_sdk.conformance.mask import leaks, shown
from jackfield_sdk.conformance.model import Resource, differences, expected
from jackfield_sdk.conformance.outcome import Outcome, Run, Status, verdict_of
from jackfield_sdk.conformance.proxy import Fault, FaultProxy
from jackfield_sdk.conformance.rules import Rule
from jackfield_sdk.conformance.scrutiny import Scrutiny
from jackfield_sdk.conformance.transcript import Refusal, Transcript
from jackfield_sdk.conformance.vendor_attributes import a_value, point, values_for
from jackfield_sdk.conformance.wire import Wire

SECRET = "sentinel-1"


def test_secrets_are_masked_wherever_they_nest() -> None:
    """Bytes, maps and messages inside of repeated fields are masked."""
    port = port_pb2.Port(binding=binding_pb2.Binding(profile=SECRET.encode()))
    change = change_pb2.Change(
        current=change_pb2.Resource(port=port),
        attributes={"secret": SECRET.encode()},
        state=change_pb2.DriverState(version=1, data=SECRET.encode()),
    )
    request = mechanism_pb2.PostcommitRequest(changes=[change])

    assert SECRET not in shown(request)
    assert shown(request).count("***") == 3
    assert not leaks(request, SECRET)


def test_a_secret_in_any_other_field_is_a_leak() -> None:
    """A value that was sent as a secret may not come back as text."""
    skip = mechanism_pb2.BindResult(skip=mechanism_pb2.Skip(reason=f"password {SECRET} is wrong"))

    assert leaks(mechanism_pb2.BindPortsResponse(results=[skip]), SECRET)


def test_the_model_says_in_what_a_listing_differs() -> None:
    """What is missing, out of date, changed or too much is told for each resource."""
    resources = [Resource("network", network_pb2.Network(id=f"n{number}", name="n")) for number in range(3)]
    for each in resources:
        each.acknowledge(each.change("c"))
    wanted = expected(resources)
    listing = {
        ("network", "n1"): (7, wanted["network", "n1"][1]),
        ("network", "n2"): (1, b"x"),
        ("port", "p"): (1, b""),
    }

    said = differences(listing, wanted)

    assert [line.partition(" is ")[0] for line in said] == ["network n0", "network n1", "network n2", "port p"]
    assert "is not listed" in said[0]
    assert "at revision 7" in said[1]
    assert "with digest" in said[2]
    assert "must not be there" in said[3]
    assert differences(wanted, wanted) == []


def test_the_model_writes_what_a_driver_is_owed() -> None:
    """CREATE until it is acknowledged, then UPDATE with the acknowledged state, DELETE one above."""
    resource = Resource("network", network_pb2.Network(id="n", name="one"))
    create = resource.change("c1")
    resource.acknowledge(create)
    resource.edit(revisions=3)
    update, delete = resource.change("c2"), resource.change("c3", delete=True)

    assert (create.action, create.revision) == (change_pb2.ACTION_CREATE, 1)
    assert (update.action, update.revision, update.original.network.name) == (change_pb2.ACTION_UPDATE, 4, "one")
    assert (delete.action, delete.revision) == (change_pb2.ACTION_DELETE, 5)
    assert create.digest != update.digest
    assert len(create.digest) == 32


@pytest.mark.parametrize(
    "text",
    [
        "Unexpected <class 'KeyError'>: 'password'",
        "Exception calling application: 'NoneType' object has no attribute 'id'",
        'Traceback (most recent call last):\n  File "driver.py", line 3',
        "TypeError: Cannot read properties of undefined",
        "java.lang.NullPointerException",
        "panic: runtime error: index out of range",
        "failed at Driver.apply (/srv/driver.js:12:7)",
    ],
)
def test_raw_exceptions_are_recognised(text: str) -> None:
    """The texts that runtimes send by themselves are found, in a status and in a result."""
    scrutiny = Scrutiny(SECRET)
    scrutiny.refusal("Postcommit", Refusal(grpc.StatusCode.UNKNOWN, text))
    failed = mechanism_pb2.PostcommitResult(failed=change_pb2.Error(reason="BUG", operator_message=text))
    scrutiny.answer("Postcommit", mechanism_pb2.PostcommitResponse(results=[failed]))

    assert len(scrutiny.found("I6")) == 2


@pytest.mark.parametrize(
    "text",
    [
        'VLAN 7 on physical_network "leaf1" is reserved',
        "the driver failed; its log has the trace",
        "error at switch 7: busy",
    ],
)
def test_sentences_are_no_exceptions(text: str) -> None:
    """What a driver says to people is not taken for a trace."""
    scrutiny = Scrutiny(SECRET)
    scrutiny.refusal("Postcommit", Refusal(grpc.StatusCode.UNAVAILABLE, text))

    assert scrutiny.found("I6") == []


def test_only_a_drivers_own_codes_need_error_info() -> None:
    """UNAVAILABLE may come from a library, INVALID_ARGUMENT may not."""
    scrutiny = Scrutiny(SECRET)
    scrutiny.driver = "acme"
    scrutiny.refusal("Postcommit", Refusal(grpc.StatusCode.UNAVAILABLE, "gone"))
    assert scrutiny.found("I5") == []

    scrutiny.refusal("Postcommit", Refusal(grpc.StatusCode.INVALID_ARGUMENT, "wrong"))
    scrutiny.refusal("Drain", Refusal(grpc.StatusCode.INTERNAL, "wrong", "BUSY", "acme-inc"))
    assert len(scrutiny.found("I5")) == 2


def test_values_fit_their_schemas() -> None:
    """Users' attributes get the smallest value that fits; secrets get the sentinel; read-only ones get none."""

    def schema(name: str, content: dict, **more: object) -> driver_pb2.AttributeSchema:
        data = json.dumps(content).encode()
        return driver_pb2.AttributeSchema(kind=change_pb2.RESOURCE_KIND_PORT, name=name, json_schema=data, **more)

    login = {"type": "object", "properties": {"user": {"type": "string"}, "password": {"type": "string"}}}
    schemas = [
        schema("colour", {"enum": ["red", "green"]}),
        schema("rack", {"type": "string"}, read_only=True),
        schema("login", login, sensitive_paths=["/password"]),
        schema("told", {"type": "string", "pattern": "^a{9}$"}),
    ]

    values = values_for("port", schemas, {"told": "a" * 9}, SECRET)

    assert {name: json.loads(value) for name, value in values.items()} == {
        "colour": "red",
        "login": {"user": "x", "password": SECRET},
        "told": "aaaaaaaaa",
    }
    assert values_for("network", schemas, {}, SECRET) == {}


def test_pointers_are_followed_through_schemas() -> None:
    """Properties, items and escaped names are found; what is not there is not."""
    schema = {"type": "object", "properties": {"a/b": {"type": "array", "items": {"type": "integer"}}}}

    assert point(schema, "") == schema
    assert point(schema, "/a~1b/0") == {"type": "integer"}
    assert point(schema, "/nothing") is None
    assert a_value(schema) == {"a/b": []}


@pytest.fixture
async def wires(tmp_path: Path) -> AsyncIterator[tuple[FaultProxy, Wire, list[str]]]:
    """A health service that counts its calls, behind a proxy."""
    seen: list[str] = []

    class Counting(health.aio.HealthServicer):
        async def Check(self, request, context):  # noqa: N802
            seen.append(request.service)
            return await super().Check(request, context)

    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(Counting(), server)
    server.add_insecure_port(f"unix:{tmp_path}/s")
    await server.start()
    async with FaultProxy(Endpoint(f"unix:{tmp_path}/s"), delay=0.05) as proxy:
        wire = Wire(proxy.endpoint, Scrutiny(SECRET), Transcript())
        yield proxy, wire, seen
        await wire.close()
    await server.stop(None)


@pytest.mark.parametrize(
    ("fault", "calls", "answered"),
    [(Fault.DROP_REQUEST, 0, False), (Fault.DROP_ANSWER, 1, False), (Fault.DUPLICATE, 2, True), (Fault.DELAY, 1, True)],
)
async def test_the_proxy_does_what_it_is_told_once(wires, fault: Fault, calls: int, answered: bool) -> None:
    """A fault hits one call, and the next one goes through."""
    proxy, wire, seen = wires
    proxy.set("Check", fault)

    first = await wire.attempt("Check", health_pb2.HealthCheckRequest())
    assert isinstance(first, Refusal) is not answered
    assert len(seen) == calls

    second = await wire.attempt("Check", health_pb2.HealthCheckRequest())
    assert isinstance(second, health_pb2.HealthCheckResponse)
    assert len(seen) == calls + 1


async def test_the_proxy_passes_the_drivers_own_status_on(wires) -> None:
    """A refusal of the driver arrives with its code and its text."""
    _, wire, _ = wires

    answer = await wire.attempt("Check", health_pb2.HealthCheckRequest(service="nobody"))

    assert isinstance(answer, Refusal)
    assert answer.code is grpc.StatusCode.NOT_FOUND


def test_a_fault_of_the_suite_hides_no_broken_rule() -> None:
    """Without a broken rule there is no verdict; with one there is, and the fault is told beside it."""
    broken, other = Rule("C8", "delete", "…", "…"), Rule("G8", "changed-by-hand", "…", "…")
    fault = Outcome(other, "port", Status.ERROR, 0.1, reason="a fault of the suite: KeyError")
    passed, failed = (Outcome(broken, "", status, 0.1) for status in (Status.PASSED, Status.FAILED))

    assert verdict_of(Run(outcomes=[passed, fault])).startswith("was not judged; G8 changed-by-hand [port]: a fault")
    said = verdict_of(Run(outcomes=[failed, fault]))
    assert said.startswith("does not conform: breaks C8; ")
    assert said.endswith("; G8 changed-by-hand [port]: a fault of the suite: KeyError")


def test_a_state_is_bounded_by_the_contract_whatever_the_driver_declares() -> None:
    """The core discards the answer with a larger one, so the suite does not call it fitting."""
    limits = capability_pb2.Limits(max_state_bytes=1_000_000)

    assert Facts(driver_pb2.HandshakeResponse(limits=limits)).max_state_bytes == 65_536
    assert Facts(driver_pb2.HandshakeResponse()).max_state_bytes == 16_384
