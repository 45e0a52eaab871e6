"""Ports with several bindings, as compute services ask for them while they move a server."""

from typing import Any

from jackfield_sdk import BindContext, Bound, Skip
from jackfield_sdk.testing import RecordingDriver

NOWHERE = "nowhere"


class Fabric(RecordingDriver):
    """Binds ports on every host but one, and remembers what it is told."""

    name = "fabric"

    async def bind_port(self, context: BindContext) -> Bound | Skip:
        await self.script.play("bind_port", context)
        host = context.host.name
        return Skip("no agent there") if host == NOWHERE else Bound(context.segments[0].id, "ovs", {"bridge": host})

    def moves(self) -> list[tuple[str, str]]:
        """Return the changes of a port's host that were delivered: from where, to where."""
        told = self.script.called("update_port_postcommit")
        hosts = [(change.original.binding.host, change.current.binding.host) for change in told]
        return [move for move in hosts if move[0] != move[1]]


def server_on(host: str, network_id: str) -> dict[str, Any]:
    """Return the attributes of a server's port."""
    return {"network_id": network_id, "device_owner": "compute:nova", "device_id": "server", "binding:host_id": host}


async def bind(api: Any, port: Any, host: str, **attributes: Any) -> Any:
    """Add a binding; return it."""
    body = {"binding": {"host": host, **attributes}}
    answer = await api.http.post(f"/v2.0/ports/{port['id']}/bindings", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["binding"]


async def activate(api: Any, port: Any, host: str) -> Any:
    """Activate a binding, as compute services do: without a body."""
    answer = await api.http.put(f"/v2.0/ports/{port['id']}/bindings/{host}/activate")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def states(api: Any, port: Any) -> dict[str, str]:
    """Return the status of each binding, by host."""
    found = (await api.get(f"ports/{port['id']}/bindings"))["bindings"]
    return {one["host"]: one["status"] for one in found}
