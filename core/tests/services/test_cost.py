"""What a request for a port costs the database: each statement is a round trip that users wait for.

That ports may be bound level by level, and that segments go with the last of
them, is not to cost anything where nothing of it is used.
"""

from typing import Any

import pytest
from jackfield_core.context import RequestContext
from jackfield_core.db import statement
from jackfield_core.services.services import Services
from jackfield_core.services.spec import NetworkCreate, PortCreate, PortUpdate, SubnetCreate


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the statements that are run, but for those that begin and end transactions."""
    seen: list[str] = []
    for name in ("_fetch", "_execute", "_execute_many"):
        run = getattr(statement, name)

        async def counting(connection: Any, text: str, arguments: Any, run: Any = run) -> Any:
            seen.append(text)
            return await run(connection, text, arguments)

        monkeypatch.setattr(statement, name, counting)
    return seen


async def test_a_bound_port_costs_no_more_statements_than_ever(
    services: Services, ctx: RequestContext, counted: list[str]
) -> None:
    """Nine for a new port on a host, nine for another name, and seven for its end, once the network is known."""
    tree = await services.networks.create(ctx, NetworkCreate(project_id="project"))
    subnet = SubnetCreate(network_id=tree.network.id, project_id="project", ip_version=4, cidr="192.0.2.0/24")
    await services.subnets.create(ctx, subnet)
    spec = PortCreate(network_id=tree.network.id, project_id="project", host="host-1")
    await services.ports.create(ctx, spec)

    def spent() -> int:
        count = len(counted)
        counted.clear()
        return count

    spent()
    port = await services.ports.create(ctx, spec)
    creation = spent()
    await services.ports.update(ctx, port.id, PortUpdate(name="renamed"))
    change = spent()
    await services.ports.delete(ctx, port.id)

    assert creation <= 9
    assert change <= 9
    assert 0 < spent() <= 7
