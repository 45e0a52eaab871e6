"""Over TCP both ends can be made to prove who they are."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess

import grpc
import pytest
from jackfield.node.v1.node_pb2_grpc import NodeServiceStub
from jackfield_sdk import AgentSettings, MechanismDriver, NodeAgent, ServerSettings, start_agent, start_server
from jackfield_sdk._transport import CannotListen, connect
from jackfield_sdk.testing import Core, ScriptedCore
from pydantic import ValidationError

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificates")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Make an authority and one certificate of it, good for both ends, for the name localhost."""
    path = tmp_path_factory.mktemp("tls")

    openssl(path, *NEW, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")
    certify(path, "peer")
    return path


NEW = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


def openssl(path, *arguments):
    subprocess.run(["openssl", *arguments], cwd=path, check=True, capture_output=True)


def certify(path, name):
    """Make a key and a certificate of the authority in `path`."""
    openssl(
        path,
        *NEW,
        *("-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}"),
        *("-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"),
    )


@pytest.fixture
def identity(authority):
    """Name the files as the settings do."""
    return {
        "tls_certificate": authority / "peer.pem",
        "tls_key": authority / "peer.key",
        "tls_ca": authority / "ca.pem",
    }


class Bare(MechanismDriver):
    name = "bare"


def credentials(authority, *, own):
    """Trust the authority, and bring a certificate or none."""
    key, certificate = (authority / "peer.key").read_bytes(), (authority / "peer.pem").read_bytes()
    pair = {"private_key": key, "certificate_chain": certificate} if own else {}
    return grpc.ssl_channel_credentials((authority / "ca.pem").read_bytes(), **pair)


async def test_a_driver_lets_in_only_who_has_a_certificate_of_its_authority(authority, identity):
    """Without one the call does not even reach the driver."""
    server = await start_server(Bare(), ServerSettings(listen="localhost:0", **identity))
    try:
        async with grpc.aio.secure_channel(server.address, credentials(authority, own=True)) as channel:
            assert (await Core(channel).handshake()).driver_name == "bare"
        async with grpc.aio.secure_channel(server.address, credentials(authority, own=False)) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await Core(channel).handshake()
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    finally:
        await server.stop()


async def name_served(address, authority):
    """Tell whose certificate a new connection is shown."""
    context = ssl.create_default_context(cafile=authority / "ca.pem")
    context.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context)
    try:
        subject = dict(entry[0] for entry in writer.get_extra_info("peercert")["subject"])
    finally:
        writer.close()
    return subject["commonName"]


async def test_a_replaced_certificate_is_served_to_who_connects_next(authority, tmp_path):
    """Without a restart; and a pair that does not belong together is not served at all."""
    certify(authority, "renewed")
    certificate, key = tmp_path / "driver.pem", tmp_path / "driver.key"
    shutil.copy(authority / "peer.pem", certificate)
    shutil.copy(authority / "peer.key", key)
    settings = ServerSettings(listen="localhost:0", tls_certificate=certificate, tls_key=key)
    server = await start_server(Bare(), settings)
    try:
        async with grpc.aio.secure_channel(server.address, credentials(authority, own=False)) as channel:
            first = await Core(channel).handshake()
            assert await name_served(server.address, authority) == "peer"
            shutil.copy(authority / "renewed.pem", certificate)
            assert await name_served(server.address, authority) == "peer"
            shutil.copy(authority / "renewed.key", key)
            assert await name_served(server.address, authority) == "renewed"
            assert (await Core(channel).handshake()).instance_id == first.instance_id
        async with grpc.aio.secure_channel(server.address, credentials(authority, own=False)) as channel:
            assert (await Core(channel).handshake()).instance_id == first.instance_id
    finally:
        await server.stop()


async def test_a_replaced_authority_decides_about_who_connects_next(authority, identity, tmp_path):
    """Clients of the old one are no longer let in, and those of the new one are."""
    (tmp_path / "new").mkdir()
    openssl(tmp_path / "new", *NEW, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=new authority")
    certify(tmp_path / "new", "client")
    trusted = tmp_path / "trusted.pem"
    shutil.copy(tmp_path / "new" / "ca.pem", trusted)
    client = grpc.ssl_channel_credentials(
        (authority / "ca.pem").read_bytes(),
        (authority / "peer.key").read_bytes(),
        (authority / "peer.pem").read_bytes(),
    )
    server = await start_server(Bare(), ServerSettings(listen="localhost:0", **{**identity, "tls_ca": trusted}))
    try:
        async with grpc.aio.secure_channel(server.address, client) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await Core(channel).handshake()
        shutil.copy(authority / "ca.pem", trusted)
        async with grpc.aio.secure_channel(server.address, client) as channel:
            assert (await Core(channel).handshake()).driver_name == "bare"
    finally:
        await server.stop()


async def test_a_certificate_that_cannot_be_served_ends_the_start_with_a_sentence(authority, tmp_path):
    """It names the files, so that somebody can act on it."""
    certify(authority, "other")
    wrong = {"tls_certificate": authority / "peer.pem", "tls_key": authority / "other.key"}
    absent = {"tls_certificate": tmp_path / "absent.pem", "tls_key": authority / "peer.key"}

    for files, told in ((wrong, "other.key"), (absent, "absent.pem")):
        with pytest.raises(CannotListen, match=told):
            await start_server(Bare(), ServerSettings(listen="localhost:0", **files))


class Agent(NodeAgent):
    agent_type, binary, driver = "Toy agent", "toy-agent", "toy"


@pytest.fixture
async def core(authority, tmp_path):
    """Serve agents over mutual TLS, as localhost."""
    key, certificate = (authority / "peer.key").read_bytes(), (authority / "peer.pem").read_bytes()
    required = grpc.ssl_server_credentials([(key, certificate)], (authority / "ca.pem").read_bytes(), True)
    async with ScriptedCore(tmp_path, credentials=required) as core:
        yield core


async def test_an_agent_proves_itself_to_the_core(core, identity):
    """And trusts only a core that its authority has signed."""
    running = await start_agent(Agent(), AgentSettings(core=core.address, host="host-1", **identity))
    try:
        assert (await core.session()).hello.host == "host-1"
    finally:
        await running.stop()


async def test_an_agent_dials_an_address_that_the_certificate_of_the_core_does_not_name(core, identity):
    """If it is told which name the certificate has instead, and only then."""
    # The certificate is for localhost alone.
    address = core.address.replace("localhost", "127.0.0.1")
    link = {"core": address, "host": "host-1", **identity}
    async with connect(AgentSettings(**link)) as channel:
        with pytest.raises(grpc.aio.AioRpcError, match="Hostname Verification Check failed"):
            await NodeServiceStub(channel).Sync().read()

    running = await start_agent(Agent(), AgentSettings(**link, tls_server_name="localhost"))
    try:
        assert (await core.session()).hello.host == "host-1"
    finally:
        await running.stop()


def test_a_name_for_the_core_without_an_authority_is_refused():
    """Nothing would be compared with it."""
    with pytest.raises(ValidationError, match="tls_server_name needs tls_ca"):
        AgentSettings(tls_server_name="core.example")
