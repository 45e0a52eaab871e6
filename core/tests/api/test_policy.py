"""What callers without the role of an administrator are not told, and may not do."""

from typing import Any

USER = {"X-Roles": "member", "X-Project-Id": "users"}
SERVICE = {"X-Roles": "service"}


async def test_users_cannot_ask_for_ports_by_their_place(api: Any) -> None:
    """A filter or an order by what is not shown would show it; for users there is no such attribute."""
    network = await api.create("network")
    port = await api.create("port", network_id=network["id"], **{"binding:host_id": "host-1"})
    asked = ["binding:host_id=host-1", "binding:host_id=host-2", "binding:vif_type=unbound"]
    sorted_by = [f"sort_key={name}&sort_dir=asc" for name in ("binding:host_id", "binding:vif_type")]

    for query in (*asked, *sorted_by, f"id={port['id']}&{asked[0]}&limit=1"):
        refused = await api.refused("GET", f"ports?{query}", headers=USER)
        assert (query, refused[:2]) == (query, (400, "HTTPBadRequest"))
        assert "is invalid attribute for" in refused[2]
        assert (await api.http.get(f"/v2.0/ports?{query}", headers=SERVICE)).status_code == 200

    seen = await api.http.get("/v2.0/ports?binding:vnic_type=normal&sort_key=name&sort_dir=asc", headers=USER)
    assert [one["id"] for one in seen.json()["ports"]] == [port["id"]]


async def statuses(api: Any, requests: list[tuple[str, str, Any]], headers: dict[str, str]) -> list[int]:
    """Send requests one after the other; return the status of each answer."""
    answers = [
        await api.http.request(verb, f"/v2.0/{path}", json=body, headers=headers) for verb, path, body in requests
    ]
    return [answer.status_code for answer in answers]


async def test_agents_and_segments_are_for_operators(api: Any) -> None:
    """Users are refused, services may look, and only administrators change something."""
    network = await api.create("network")
    (segment,) = await api.list("segments", f"network_id={network['id']}")
    missing = "00000000-0000-4000-8000-000000000000"
    looks = [("GET", path, None) for path in ("segments", f"segments/{segment['id']}", "agents", f"agents/{missing}")]
    new = {"segment": {"network_id": network["id"], "network_type": "vlan", "physical_network": "physnet1"}}
    changes = [
        ("POST", "segments", new),
        ("PUT", f"segments/{segment['id']}", {"segment": {"name": "mine"}}),
        ("DELETE", f"segments/{segment['id']}", None),
        ("PUT", f"agents/{missing}", {"agent": {"admin_state_up": False}}),
        ("DELETE", f"agents/{missing}", None),
    ]

    assert await statuses(api, looks, USER) == [403, 403, 403, 403]
    assert await statuses(api, looks, SERVICE) == [200, 200, 200, 404]
    assert {*await statuses(api, changes, USER), *await statuses(api, changes, SERVICE)} == {403}
    assert await api.refused("GET", "agents", headers=USER) == (
        403,
        "PolicyNotAuthorized",
        "get_agent is disallowed by policy: it is for administrators and services.",
    )
    assert await api.list("segments") == [segment]


async def test_users_are_not_told_what_networks_are_made_of(api: Any) -> None:
    """Type, physical network and number are for operators, in answers, as filters, and to choose."""
    network = await api.create("network", **{"provider:network_type": "vlan"})
    several = await api.create("network", segments=[{"provider:network_type": kind} for kind in ("vlan", "vxlan")])
    provider = {name: value for name, value in network.items() if name.startswith("provider:")}
    assert len(provider) == 3

    for headers, hidden in ((USER, {*provider, "segments"}), (SERVICE, set())):
        shown = (await api.http.get(f"/v2.0/networks/{network['id']}", headers=headers)).json()["network"]
        assert {*network} - {*shown} == {*provider} & hidden
        many = (await api.http.get(f"/v2.0/networks?id={several['id']}", headers=headers)).json()["networks"]
        assert {*several} - {*many[0]} == {"segments"} & hidden
    for name, value in provider.items():
        refused = await api.refused("GET", f"networks?{name}={value}", headers=USER)
        assert refused[:2] == (400, "HTTPBadRequest")
    for attributes in (provider, {"segments": several["segments"]}):
        bodies = {"networks": [{}, attributes]}, {"network": attributes}
        assert await statuses(api, [("POST", "networks", body) for body in bodies], USER) == [403, 403]
    own = await api.http.post("/v2.0/networks", json={"network": {"name": "mine"}}, headers=USER)
    assert own.status_code == 201
    assert not {*own.json()["network"]} & {*provider, "segments"}
    assert len(await api.list("networks")) == 3


async def test_users_do_not_say_where_ports_are(api: Any) -> None:
    """Host and profile of a binding are for operators to say; the VNIC type is for everybody."""
    network = await api.create("network")
    port = await api.create("port", network_id=network["id"])
    host, profile = {"binding:host_id": "host-1"}, {"binding:profile": {"slot": 1}}

    for attributes in (host, profile):
        body = {"network_id": network["id"], **attributes}
        requests = [
            ("POST", "ports", {"port": body}),
            ("POST", "ports", {"ports": [{"network_id": network["id"]}, body]}),
            ("PUT", f"ports/{port['id']}", {"port": attributes}),
        ]
        assert await statuses(api, requests, USER) == [403, 403, 403]
    assert await statuses(api, [("PUT", f"ports/{port['id']}", {"port": {"binding:host_id": ""}})], USER) == [403]
    assert await api.list("ports") == [port]

    own = {"network_id": network["id"], "binding:vnic_type": "direct", "binding:profile": {}, "binding:host_id": ""}
    requests = [("POST", "ports", {"port": own}), ("PUT", f"ports/{port['id']}", {"port": {"name": "mine"}})]
    assert await statuses(api, requests, USER) == [201, 200]
    place = {"port": {**host, **profile}}
    requests = [("POST", "ports", {"port": {**own, **host, **profile}}), ("PUT", f"ports/{port['id']}", place)]
    assert await statuses(api, requests, SERVICE) == [201, 200]


async def test_services_of_a_network_are_for_its_owner(api: Any) -> None:
    """What such a port sends is not judged on hosts, so nobody makes one on a network of others."""
    others, own = await api.create("network", project_id="others"), await api.create("network", project_id="users")
    dhcp = {"device_owner": "network:dhcp"}
    ports = [await api.create("port", network_id=network["id"]) for network in (others, own)]

    def requests(network: Any, port: Any) -> list[tuple[str, str, Any]]:
        create = {"port": {"network_id": network["id"], **dhcp}}
        return [("POST", "ports", create), ("PUT", f"ports/{port['id']}", {"port": dhcp})]

    assert await statuses(api, requests(others, ports[0]), USER) == [403, 403]
    assert await statuses(api, requests(own, ports[1]), USER) == [201, 200]
    assert await statuses(api, requests(others, ports[0]), SERVICE) == [201, 200]
    nobodys = await api.create("network")
    nameless = {"X-Roles": "member"}
    assert await statuses(api, requests(nobodys, ports[0])[:1], nameless) == [403]
