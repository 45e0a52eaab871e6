"""Whatever is sent, the API never fails: hypothesis throws requests at every route.

Some requests are noise, most are almost right: attributes that exist with
values that might, ids of resources that are there. What fails is printed as
the smallest request that still fails; with ``CI`` set every run tries the same
requests.
"""

import json
import os
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, note, settings
from hypothesis import strategies as st
from jackfield_core.app import Application
from jackfield_core.db.agent import AgentTable
from jackfield_core.db.network import NetworkTable
from jackfield_core.db.port import PortTable
from jackfield_core.db.segment import SegmentTable
from jackfield_core.db.subnet import SubnetTable

EXAMPLES = int(os.environ.get("JACKFIELD_EXAMPLES", "150"))

Sender = Callable[..., Awaitable[tuple[int, bytes]]]

KINDS = ("network", "subnet", "port", "segment", "agent")
METHODS = ("GET", "POST", "PUT", "DELETE")


def words(text: str) -> list[str]:
    """Return the words of *text*."""
    return text.split()


ATTRIBUTES = {
    "network": words(
        "name description admin_state_up mtu shared router:external port_security_enabled segments project_id tenant_id"
        " provider:network_type provider:physical_network provider:segmentation_id"
    ),
    "subnet": words(
        "network_id ip_version cidr name description gateway_ip allocation_pools dns_nameservers host_routes"
        " enable_dhcp ipv6_address_mode ipv6_ra_mode segment_id subnetpool_id tenant_id"
    ),
    "port": words(
        "network_id name description admin_state_up mac_address fixed_ips device_id device_owner port_security_enabled"
        " allowed_address_pairs extra_dhcp_opts binding:host_id binding:vnic_type binding:profile tenant_id"
    ),
    "segment": words("network_id network_type physical_network segmentation_id name description"),
    "agent": words("admin_state_up description host"),
}
TABLES = (NetworkTable, SubnetTable, PortTable, SegmentTable, AgentTable)
FILTERS = sorted(
    {
        *(name for table in TABLES for name in table.filters),
        *words("fixed_ips router:external provider:segmentation_id provider:network_type changed_since alive"),
        *words("tenant_id limit marker page_reverse sort_key sort_dir fields"),
    }
)

# Words that mean something somewhere, and their neighbours that do not.
WORDS = st.sampled_from(
    words(
        "true False 1 0 -1 4 6 64 1400 4294967296 99999999999999999999 vlan vxlan flat local gre geneve physnet1 normal"
        " slaac dhcpv6-stateful dhcpv6-stateless 192.0.2.0/24 192.0.2.1 192.0.2.255 10.0.0.0/8 10.0.0.0/30 0.0.0.0/0"
        " 255.255.255.255/32 2001:db8::/64 2001:db8::1 ::/0 fe80::1%eth0 fa:16:3e:00:00:01 FA-16-3E-00-00-02"
        " 00:00:00:00:00:00 compute:nova network:router_interface asc desc name id created_at revision_number"
        " 2026-11-21T11:00:00Z 0001-01-01T00:00:00+14:00 9999-12-31T23:59:59 ip_address=192.0.2.2 subnet_id=x"
        " ip_address_substr=%_ ٣ ² 1e3 0x10 1_0 {network} {subnet} {port} {segment}"
    )
)
ODD_TEXT = st.text(max_size=8) | st.sampled_from(["", " ", "\0", "a\0b", "x" * 256, "\ufffe", "💥", "'; --", "%00"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(0, 5000)
    | st.sampled_from([-1, 2**31, 2**63, 2**64, 10**40])
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
    | ODD_TEXT
)
PARTS = st.sampled_from(
    words(
        "subnet_id ip_address mac_address start end destination nexthop opt_name opt_value ip_version"
        " provider:network_type provider:physical_network provider:segmentation_id"
    )
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PARTS | ODD_TEXT, inner, max_size=3),
    max_leaves=6,
)


def resources(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return bodies of one kind that are almost right: what is required is mostly there."""
    base: dict[str, Any] = {
        "subnet": {"network_id": "{network}", "ip_version": 4, "cidr": "10.0.0.0/24"},
        "port": {"network_id": "{network}"},
        "segment": {"network_id": "{network}", "network_type": "vxlan"},
    }.get(kind, {})
    wild = st.dictionaries(st.sampled_from(ATTRIBUTES[kind]), JSON, max_size=4)
    stray = st.dictionaries(ODD_TEXT, JSON, max_size=1)
    return st.builds(lambda some, more: {**base, **some, **more}, wild, st.just({}) | stray)


def envelopes(kind: str) -> st.SearchStrategy[Any]:
    """Return whole bodies: one resource, several, or anything else."""
    one = resources(kind).map(lambda body: {kind: body})
    many = st.lists(resources(kind), max_size=3).map(lambda bodies: {f"{kind}s": bodies})
    return one | one | one | many | JSON | st.dictionaries(st.sampled_from([kind, f"{kind}s"]), JSON)


BODIES = st.sampled_from(KINDS).flatmap(
    lambda kind: st.tuples(st.just(kind), envelopes(kind).map(lambda body: json.dumps(body).encode()) | st.binary())
)
QUERIES = st.lists(st.tuples(st.sampled_from(FILTERS) | ODD_TEXT, WORDS | ODD_TEXT), max_size=4)
IDS = st.sampled_from(["", *(f"{{{kind}}}" for kind in KINDS)]) | ODD_TEXT | st.uuids().map(str)
HEADERS = st.dictionaries(
    st.sampled_from(["if-match", "x-project-id", "x-roles", "content-length", "host", "content-type"]),
    st.sampled_from(["", "revision_number=1", "revision_number=99999999999999999999", "x", "-1", "é"])
    | st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=12),
    max_size=2,
)


@pytest.fixture
async def ids(api: Any) -> dict[str, str]:
    """Create a resource of each kind; requests refer to them, as long as they live."""
    network = await api.create("network")
    subnet = await api.create("subnet", network_id=network["id"], ip_version=4, cidr="192.0.2.0/24")
    await api.create("subnet", network_id=network["id"], ip_version=6, cidr="2001:db8::/64")
    port = await api.create("port", network_id=network["id"])
    segment = (await api.list("segments"))[0]
    values = {
        "network": network,
        "subnet": subnet,
        "port": port,
        "segment": segment,
        "agent": {"id": str(uuid.uuid4())},
    }
    return {name: value["id"] for name, value in values.items()}


@pytest.fixture
def send(application: Application) -> Sender:
    """Send raw requests, past all that a client library would put right."""

    async def send(method: str, path: str, query: bytes, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        answer: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: Any) -> None:
            answer.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query,
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
            "scheme": "http",
            "root_path": "",
        }
        await application.api(scope, receive, keep)
        return answer[0]["status"], answer[1]["body"]

    return send


def fill(text: str, ids: dict[str, str]) -> str:
    """Put ids in the place of ``{network}`` and the like."""
    for name, id in ids.items():
        text = text.replace(f"{{{name}}}", id)
    return text


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(method=st.sampled_from(METHODS), request=BODIES, id=IDS, query=QUERIES, headers=HEADERS)
async def test_no_request_makes_the_api_fail(
    send: Sender,
    ids: dict[str, str],
    method: str,
    request: tuple[str, bytes],
    id: str,
    query: list[tuple[str, str]],
    headers: dict[str, str],
) -> None:
    """Every request has an answer that blames, if anybody, the client; every error has Neutron's body."""
    kind, raw = request
    body = fill(raw.decode("latin-1"), ids).encode("latin-1")
    path = f"/v2.0/{kind}s" + (f"/{fill(id, ids)}" if id else "")
    text = "&".join(f"{name}={value}" for name, value in query)
    query_string = fill(text, ids).encode("utf-8", "surrogatepass")
    note(f"{method} {path!r}?{query_string!r} {headers} {body!r}")

    status, answer = await send(method, path, query_string, headers, body)

    event(f"{method} {status}")
    note(f"{status} {answer[:500]!r}")
    assert status < 500
    assert status != 204 or answer == b""
    if status >= 400:
        error = json.loads(answer)["NeutronError"]
        assert error["type"]
        assert error["message"]
