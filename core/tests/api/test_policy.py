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
