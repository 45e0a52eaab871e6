"""Agents that dial over TCP: who is let in, for which host he speaks, and what he is shown."""

import asyncio
import contextlib
import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from jackfield.node.v1 import node_pb2, node_pb2_grpc
from jackfield_core import config
from jackfield_core.nodes.service import NodeService
from jackfield_sdk import AgentSettings, start_agent
from jackfield_sdk.testing import RecordingAgent
from support.certificates import Authority, Identity

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

IN = (None, "")
"""What an agent hears that is let in."""

Serve = Callable[..., Awaitable[NodeService]]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Sign whoever belongs to this cloud."""
    return Authority(tmp_path / "tls")


@pytest.fixture
def core(authority: Authority) -> Identity:
    """Return what agents are shown."""
    return authority.certify("core")


@pytest.fixture
async def serve(site: Any, authority: Authority, core: Identity) -> AsyncIterator[Serve]:
    """Serve agents over mutual TLS, with other settings if a test wants to."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(**settings: Any) -> NodeService:
            files = {"tls_certificate": core.certificate, "tls_key": core.key, "tls_ca": authority.file}
            nodes = config.Nodes(listen="127.0.0.1:0", poll_interval=60, **{**files, **settings})
            service = NodeService(nodes, site.fabric.unit_of_work)
            await service.start()
            stack.push_async_callback(service.stop)
            return service

        yield start


async def hear(service: NodeService, host: str, shown: Identity | None, authority: Authority) -> Any:
    """Say hello as the agent of *host*; return the code and the details of the refusal, or `IN`."""
    pair = (shown.key.read_bytes(), shown.certificate.read_bytes()) if shown else (None, None)
    credentials = grpc.ssl_channel_credentials(authority.file.read_bytes(), *pair)
    hello = node_pb2.Hello(agent_type="agent", host=host, driver="ovs", binary="agent")
    async with grpc.aio.secure_channel(service.address, credentials) as channel:
        call = node_pb2_grpc.NodeServiceStub(channel).Sync()
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await call.write(node_pb2.SyncRequest(hello=hello))
            if await call.read() is not grpc.aio.EOF:
                return IN
        return await call.code(), await call.details()


async def hosts_of_agents(site: Any) -> list[str]:
    async with site.fabric.unit_of_work.reading() as tables:
        return [agent.host for agent in await tables.agents.list_on_hosts(["host1", "host2"])]


async def test_agent_with_a_certificate_for_its_host_carries_its_ports(
    site: Any, serve: Serve, authority: Authority
) -> None:
    """The agent of the SDK and the node service prove themselves to each other."""
    service, shown = await serve(), authority.certify("agent", ["host1"])
    files = {"tls_certificate": shown.certificate, "tls_key": shown.key, "tls_ca": authority.file}
    port = await site.fabric.port(await site.fabric.network(), "host1", driver="recording")
    agent = RecordingAgent()

    running = await start_agent(agent, AgentSettings(core=service.address, host="host1", **files))

    async def is_wired() -> bool:
        return port.id in agent.ports

    try:
        await site.eventually(is_wired)
    finally:
        await running.stop()


async def test_agent_speaks_only_for_a_host_that_its_certificate_names(
    site: Any, serve: Serve, authority: Authority
) -> None:
    """Who was given the certificate of one host reports nothing of another one."""
    service, shown = await serve(), authority.certify("agent", ["host1", "host3.example"])

    assert await hear(service, "host2", shown, authority) == (
        grpc.StatusCode.PERMISSION_DENIED,
        'hello.host is "host2", and the certificate of the agent names "host1", "host3.example"',
    )
    assert await hosts_of_agents(site) == []
    assert await hear(service, "HOST1", shown, authority) == IN


async def test_common_name_counts_where_there_is_no_other(serve: Serve, authority: Authority) -> None:
    """A certificate with alternative names names no host by its common name."""
    service = await serve()

    assert await hear(service, "host1", authority.certify("host1", []), authority) == IN
    refused, _ = await hear(service, "host1", authority.certify("host1", ["host2"]), authority)
    assert refused is grpc.StatusCode.PERMISSION_DENIED


async def test_one_certificate_for_all_hosts_can_be_allowed(serve: Serve, authority: Authority) -> None:
    """Then whoever the authority has signed speaks for any host."""
    service = await serve(tls_verify_host=False)

    assert await hear(service, "host2", authority.certify("agents", []), authority) == IN


async def test_who_proves_nothing_is_not_let_in(site: Any, serve: Serve, authority: Authority, tmp_path: Path) -> None:
    """Without a certificate, with one of another authority, or with an old one nobody says hello."""
    service, strangers = await serve(), Authority(tmp_path / "strangers")
    expired = authority.certify("expired", ["host1"], valid_for=timedelta(days=-1))

    for shown in (None, strangers.certify("agent", ["host1"]), expired):
        refused, _ = await hear(service, "host1", shown, authority)
        assert refused is grpc.StatusCode.UNAVAILABLE
    assert await hosts_of_agents(site) == []


async def test_without_an_authority_agents_are_not_asked_who_they_are(serve: Serve, authority: Authority) -> None:
    """Then TLS only keeps others from reading along."""
    service = await serve(tls_ca=None)

    assert await hear(service, "host1", None, authority) == IN


async def name_shown(service: NodeService, authority: Authority) -> str:
    """Return whose certificate is shown to who connects now."""
    context = ssl.create_default_context(cafile=authority.file)
    context.set_alpn_protocols(["h2"])
    host, _, port = service.address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    try:
        certificate = x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(True))
    finally:
        writer.transport.abort()
    return str(certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value)


async def test_replaced_certificate_is_shown_to_who_connects_next(
    serve: Serve, authority: Authority, core: Identity
) -> None:
    """Without a restart, and never with a key that does not belong to it."""
    service, renewed = await serve(), authority.certify("renewed")
    assert await name_shown(service, authority) == "core"

    shutil.copy(renewed.certificate, core.certificate)
    assert await name_shown(service, authority) == "core"

    shutil.copy(renewed.key, core.key)
    assert await name_shown(service, authority) == "renewed"


async def test_replaced_authority_decides_about_who_connects_next(
    serve: Serve, authority: Authority, tmp_path: Path
) -> None:
    """Agents of the former one are not let in any more, and those of the new one are."""
    trusted = tmp_path / "agents.pem"
    shutil.copy(authority.file, trusted)
    service, strangers = await serve(tls_ca=trusted), Authority(tmp_path / "strangers")
    ours, theirs = authority.certify("agent", ["host1"]), strangers.certify("agent", ["host1"])
    assert await hear(service, "host1", ours, authority) == IN

    shutil.copy(strangers.file, trusted)

    assert await hear(service, "host1", theirs, authority) == IN
    refused, _ = await hear(service, "host1", ours, authority)
    assert refused is grpc.StatusCode.UNAVAILABLE


async def test_file_that_cannot_be_used_ends_the_start_with_its_name(
    serve: Serve, authority: Authority, core: Identity, tmp_path: Path
) -> None:
    """Whoever starts the process reads which setting names which file, and what is wrong with it."""
    other, absent = authority.certify("other"), tmp_path / "absent.pem"

    with pytest.raises(OSError, match=f'tls_certificate: there is no file "{absent}"'):
        await serve(tls_certificate=absent)
    with pytest.raises(OSError, match=f'tls_key: "{other.key}" is not the key of the certificate in'):
        await serve(tls_key=other.key)
    with pytest.raises(OSError, match=f'tls_ca: "{core.key}" holds no certificate'):
        await serve(tls_ca=core.key)
