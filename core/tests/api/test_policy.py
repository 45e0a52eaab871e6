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
