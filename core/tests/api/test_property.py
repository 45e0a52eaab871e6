"""Whatever is sent, the API never fails: hypothesis throws requests at every route.

Three kinds of requests: changes that are almost right (attributes that exist,
with values that might), lists narrowed by everything that can be named, and
noise. What fails is printed as the smallest request that still does; with
``CI`` set every run tries the same requests.
"""

import json
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, note
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jackfield_core import config
from jackfield_core.app import Application
from jackfield_core.db.agent import AgentTable
from jackfield_core.db.attribute_schema import AttributeSchema, AttributeSchemaTable
from jackfield_core.db.base import now
from jackfield_core.db.driver import DriverRecord, DriverTable
from jackfield_core.db.engine import Database
from jackfield_core.db.network import NetworkTable
from jackfield_core.db.port import PortTable
from jackfield_core.db.segment import SegmentTable
from jackfield_core.db.subnet import SubnetTable
from jackfield_core.types import Kind

Answer = tuple[int, bytes]
Sender = Callable[..., Awaitable[Answer]]

many_examples = hypothesis_settings(
    max_examples=int(os.environ.get("JACKFIELD_EXAMPLES", "150")),
    deadline=None,
    database=None,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def among(text: str) -> st.SearchStrategy[str]:
    """Return one of the words of *text*."""
    return st.sampled_from(text.split())


# Values that might be right for some attribute, and values that never are.
GOOD_NAMES = st.sampled_from(["", " ", "x" * 255, "💥", "'; --", "\ufffe", "%s", "é"])
NAMES = GOOD_NAMES | GOOD_NAMES | st.text(max_size=8) | st.sampled_from(["x" * 256, "a\0b"])
FLAGS = st.booleans() | st.sampled_from(["true", "False", "1", 0, 1, 2, "yes"])
NUMBERS = (
    st.integers(-1, 5000)
    | st.sampled_from([2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, 10**40])
    | among("4 6 64 1400 -1 1e3 0x10 1_0 ٣ ²")
)
IDS = among("{network} {network} {subnet} {port} {segment} blue 8d1bd8b3-0d0c-4e9d-bd8c-dc8b4dbcc5a3")
ADDRESSES = st.ip_addresses(v=4).map(str) | among(
    "192.0.2.0 192.0.2.1 192.0.2.2 192.0.2.255 10.0.0.1 0.0.0.0 255.255.255.255 127.0.0.1 224.0.0.1 010.0.0.1 1 ::"
    " 2001:db8::1 2001:db8:0:0::2 ff02::1 fe80::1%eth0 ::ffff:192.0.2.1"
)
CIDRS = st.builds("{}/{}".format, ADDRESSES, st.integers(-1, 129)) | among(
    "10.0.0.0/24 10.0.0.0/30 10.0.0.0/31 10.0.0.1/32 0.0.0.0/0 10.0.0.0/255.255.255.0 2001:db8:1::/64 2001:db8:2::/127"
    " 2001:db8:3::1/128 2001:db8:4::/48 ::/0 10.0.0.0"
)
MACS = among("fa:16:3e:00:00:01 FA-16-3E-00-00-02 fa16.3e00.0003 fa163e000004 00:00:00:00:00:00 01:00:5e:00:00:01 x")
NETWORK_TYPES = among("local flat vlan vxlan gre geneve token-ring")
SCALARS = st.none() | st.floats(allow_nan=False, allow_infinity=False) | NAMES | FLAGS | NUMBERS
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2), max_leaves=4
)


def structures(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return lists of dictionaries with some of *parts*."""
    return st.lists(st.fixed_dictionaries({}, optional=parts), max_size=3)


SEGMENT = {
    "provider:network_type": NETWORK_TYPES,
    "provider:physical_network": among("physnet1 physnet1 physnet2") | NAMES | st.none(),
    "provider:segmentation_id": NUMBERS | st.none(),
}
COMMON = {"name": NAMES, "description": NAMES}
PROJECT = {"tenant_id": NAMES, "project_id": NAMES}
VENDORS = {"fabric:anything": JSON, "fabric:size": NUMBERS, "fabric:secret": JSON, "fabric:found": JSON}
ATTRIBUTES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "network": {
        **COMMON,
        **VENDORS,
        **SEGMENT,
        "admin_state_up": FLAGS,
        "mtu": NUMBERS,
        "shared": FLAGS,
        "router:external": FLAGS,
        "port_security_enabled": FLAGS,
        "segments": structures(**SEGMENT),
    },
    "subnet": {
        **COMMON,
        **VENDORS,
        "gateway_ip": ADDRESSES | st.none(),
        "allocation_pools": structures(start=ADDRESSES, end=ADDRESSES),
        "dns_nameservers": st.lists(ADDRESSES, max_size=3),
        "host_routes": structures(destination=CIDRS, nexthop=ADDRESSES),
        "enable_dhcp": FLAGS,
        "ipv6_address_mode": among("slaac dhcpv6-stateful dhcpv6-stateless pigeon") | st.none(),
        "ipv6_ra_mode": among("slaac dhcpv6-stateful dhcpv6-stateless pigeon") | st.none(),
        "segment_id": IDS | st.none(),
    },
    "port": {
        **COMMON,
        **VENDORS,
        "admin_state_up": FLAGS,
        "mac_address": MACS,
        "fixed_ips": structures(subnet_id=IDS, ip_address=ADDRESSES),
        "device_id": NAMES,
        "device_owner": NAMES | among("compute:nova network:router_interface network:dhcp"),
        "port_security_enabled": FLAGS,
        "allowed_address_pairs": structures(ip_address=ADDRESSES | CIDRS, mac_address=MACS),
        "extra_dhcp_opts": structures(opt_name=NAMES, opt_value=NAMES | st.none(), ip_version=NUMBERS),
        "binding:host_id": NAMES | among("host-1 host-2") | st.none(),
        "binding:vnic_type": among("normal direct baremetal tube"),
        "binding:profile": st.dictionaries(NAMES, JSON, max_size=2) | st.none(),
    },
    "segment": COMMON,
    "agent": {"admin_state_up": FLAGS, "description": NAMES},
}
NETWORK = among("{network} {network} {network} {network} {network} {network} {port} blue")
NEEDED: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "network": st.just({}),
    "subnet": st.builds(
        lambda network, rest: {"network_id": network, **rest},
        NETWORK,
        st.builds(
            lambda third, bits: {"ip_version": 4, "cidr": f"10.0.{third * 4}.0/{bits}"},
            st.integers(0, 63),
            st.integers(22, 32),
        )
        | st.builds(
            lambda third, bits: {"ip_version": "6", "cidr": f"2001:db8:{third}::/{bits}"},
            st.integers(1, 99),
            st.sampled_from([48, 64, 64, 64, 126, 127, 128]),
        )
        | st.fixed_dictionaries({"ip_version": NUMBERS, "cidr": CIDRS}),
    ),
    "port": st.fixed_dictionaries({"network_id": NETWORK}),
    "segment": st.fixed_dictionaries(
        {"network_id": NETWORK, "network_type": NETWORK_TYPES},
        optional={"physical_network": among("physnet1 physnet2") | NAMES | st.none(), "segmentation_id": NUMBERS},
    ),
    "agent": st.just({}),
}
KINDS = st.sampled_from(sorted(ATTRIBUTES))
CHANGED = among("network subnet subnet port port port segment agent")


def some(parts: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Return up to three of *parts*: more, and hardly a request would be right."""
    names = st.lists(st.sampled_from(sorted(parts)), max_size=3, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: parts[name] for name in chosen}))


def resources(kind: str, *, is_creation: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Return attributes of one resource, now and then with one that cannot be."""
    parts = {**ATTRIBUTES[kind], **(PROJECT if is_creation else {})}
    needed = NEEDED[kind] if is_creation else st.just({})
    right = st.builds(lambda one, other: {**one, **other}, needed, some(parts))
    wrong = st.dictionaries(st.sampled_from(sorted(parts)) | NAMES, JSON, max_size=1)
    return right | right | right | st.builds(lambda one, other: {**one, **other}, right, wrong)


def changes(kind: str) -> st.SearchStrategy[tuple[str, str, Any]]:
    """Return creations and updates: method, path and body."""
    collection = f"{kind}s"
    new = resources(kind, is_creation=True)
    one = st.tuples(st.just("POST"), st.just(collection), st.builds(lambda body: {kind: body}, new))
    many = st.tuples(
        st.just("POST"), st.just(collection), st.builds(lambda body: {collection: body}, st.lists(new, max_size=3))
    )
    update = st.tuples(
        st.just("PUT"),
        st.just(f"{collection}/{{{kind}}}"),
        st.builds(lambda body: {kind: body}, resources(kind, is_creation=False)),
    )
    return update if kind == "agent" else one | one | update | many


TABLES = (NetworkTable, SubnetTable, PortTable, SegmentTable, AgentTable)
FILTERS = st.sampled_from(sorted({name for table in TABLES for name in table.filters})) | among(
    "fixed_ips router:external provider:network_type provider:segmentation_id changed_since alive tenant_id"
)
VALUES = (
    among("0001-01-01T00:00:00+14:00 9999-12-31T23:59:59 2026-11-21T11:00:00Z ip_address_substr=%_ name id mtu")
    | st.builds("{}={}".format, among("ip_address subnet_id ip_address_substr colour"), ADDRESSES | IDS | NAMES)
    | (IDS | NAMES | ADDRESSES | CIDRS | MACS | FLAGS | NUMBERS).map(str)
    | among("%00 %ff %F0%9F%92%A5 %ed%a0%80 a%00b")
)
PAIRS = (
    st.builds(lambda name, value: [(name, value)], FILTERS | NAMES, VALUES)
    | st.builds(
        lambda key, direction: [("sort_key", key), ("sort_dir", direction)], FILTERS, among("asc desc asc desc up")
    )
    | st.builds(lambda value: [("limit", value)], st.sampled_from(["0", "1", "2", "-1", "x", "9" * 30]))
    | st.builds(lambda value: [("marker", value)], IDS | VALUES)
    | st.builds(lambda value: [("page_reverse", value)], FLAGS.map(str))
    | st.builds(lambda value: [("fields", value)], FILTERS | NAMES)
)
QUERIES = st.lists(PAIRS, max_size=4).map(lambda groups: [pair for group in groups for pair in group])

HEADERS = st.dictionaries(
    among("if-match x-project-id x-roles content-length host content-type"),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=12)
    | among("revision_number=1 revision_number=99999999999999999999 -1 10"),
    max_size=2,
)
BODIES = st.binary() | (JSON | st.dictionaries(KINDS | KINDS.map("{}s".format), JSON)).map(json.dumps).map(str.encode)


DECLARED = [
    AttributeSchema("fabric", kind, name, 1, schema, True, sensitive, read_only, operator_only=False)
    for kind in Kind
    for name, schema, sensitive, read_only in (
        ("anything", "{}", (), False),
        ("size", '{"type": "integer", "maximum": 5000}', (), False),
        ("secret", "{}", ("", "/0"), False),
        ("found", "{}", (), True),
    )
]


@pytest.fixture
async def application(settings: config.Settings, database: Database) -> AsyncIterator[Application]:
    """Run the application with a driver that is away, and has declared attributes."""
    async with database.writing() as connection:
        record = DriverRecord("fabric", "1", "i", (), None, {}, now(), None, b"digest", ("attributes",))
        await DriverTable(connection).save(record)
        await AttributeSchemaTable(connection).save("fabric", DECLARED)
    fabric = config.Driver(name="fabric", endpoint="unix:///nowhere/f.sock")
    application = Application(settings.model_copy(update={"drivers": [fabric]}))
    await application.start()
    yield application
    await application.stop()


@pytest.fixture
async def ids(api: Any) -> dict[str, str]:
    """Create a resource of each kind that can be created, for requests to refer to."""
    network = await api.create("network")
    subnet = await api.create("subnet", network_id=network["id"], ip_version=4, cidr="192.0.2.0/24")
    await api.create("subnet", network_id=network["id"], ip_version=6, cidr="2001:db8::/64")
    port = await api.create("port", network_id=network["id"])
    segment = (await api.list("segments"))[0]
    found = {"network": network, "subnet": subnet, "port": port, "segment": segment, "agent": {"id": str(uuid.uuid4())}}
    return {kind: resource["id"] for kind, resource in found.items()}


@pytest.fixture
def send(application: Application, ids: dict[str, str]) -> Sender:
    """Send raw requests, past all that a client library would put right, and judge the answers."""

    async def send(method: str, path: str, *, query: str = "", headers: Any = (), body: bytes = b"") -> Answer:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": fill(body.decode("latin-1"), ids).encode("latin-1")}

        async def keep(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": f"/v2.0/{fill(path, ids)}",
            "query_string": fill(query, ids).encode("utf-8", "surrogatepass"),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in dict(headers).items()],
            "scheme": "http",
            "root_path": "",
        }
        await application.api(scope, receive, keep)
        status, answer = sent[0]["status"], sent[1]["body"]
        event(f"{method} {status}")
        note(f"{method} {scope['path']!r} ? {scope['query_string']!r} {headers} {body!r}: {status} {answer[:500]!r}")
        judge(status, answer)
        return status, answer

    return send


def fill(text: str, ids: dict[str, str]) -> str:
    """Put ids in the place of ``{network}`` and the like."""
    for name, id in ids.items():
        text = text.replace(f"{{{name}}}", id)
    return text


def judge(status: int, answer: bytes) -> None:
    """Check that an answer blames, if anybody, the client, in Neutron's form."""
    # 503 is a pool that is used up: the operator's word, not a fault.
    assert status < 500 or (status == 503 and b"NoNetworkAvailable" in answer)
    if status >= 400:
        error = json.loads(answer)["NeutronError"]
        assert error["type"]
        assert error["message"]


@many_examples
@given(request=CHANGED.flatmap(changes))
async def test_changes_never_fail(send: Sender, request: tuple[str, str, Any]) -> None:
    """A creation or update is done or refused; what was done can be shown and deleted."""
    method, path, body = request

    status, answer = await send(method, path, body=json.dumps(body).encode())

    if status == 201:
        ((kind, created),) = json.loads(answer).items()
        for resource in created if isinstance(created, list) else [created]:
            member = f"{kind.removesuffix('s')}s/{resource['id']}"
            assert (await send("GET", member))[0] == 200
            assert (await send("DELETE", member))[0] == 204


@many_examples
@given(kind=KINDS, query=QUERIES)
async def test_lists_never_fail(send: Sender, kind: str, query: list[tuple[str, str]]) -> None:
    """Every list is answered, or refused with a reason."""
    await send("GET", f"{kind}s", query="&".join(f"{name}={value}" for name, value in query))


@many_examples
@given(
    method=among("GET POST PUT DELETE PATCH BREW"),
    path=st.builds("{}s/{}".format, KINDS, NAMES | IDS) | KINDS.map("{}s".format) | NAMES,
    query=st.text(max_size=20),
    headers=HEADERS,
    body=BODIES,
)
async def test_noise_never_fails(
    send: Sender, method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> None:
    """Requests that mean nothing are refused like requests that are wrong."""
    await send(method, path, query=query, headers=headers, body=body)
