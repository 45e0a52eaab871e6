"""Over TCP both ends can be made to prove who they are."""

from __future__ import annotations

import shutil
import subprocess

import grpc
import pytest
from jackfield_sdk import AgentSettings, MechanismDriver, NodeAgent, ServerSettings, start_agent, start_server
from jackfield_sdk.testing import Core, ScriptedCore

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificates")


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Make an authority and one certificate of it, good for both ends, for the name localhost."""
    path = tmp_path_factory.mktemp("tls")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=path, check=True, capture_output=True)

    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    openssl(*new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")
    openssl(
        *new,
        *("-CA", "ca.pem", "-CAkey", "ca.key", "-keyout", "peer.key", "-out", "peer.pem", "-subj", "/CN=peer"),
        *("-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"),
    )
    return path


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


async def test_an_agent_proves_itself_to_the_core(authority, identity, tmp_path):
    """And trusts only a core that its authority has signed."""

    class Agent(NodeAgent):
        agent_type, binary, driver = "Toy agent", "toy-agent", "toy"

    key, certificate = (authority / "peer.key").read_bytes(), (authority / "peer.pem").read_bytes()
    required = grpc.ssl_server_credentials([(key, certificate)], (authority / "ca.pem").read_bytes(), True)
    core = ScriptedCore(tmp_path, credentials=required)
    async with core:
        running = await start_agent(Agent(), AgentSettings(core=core.address, host="host-1", **identity))
        try:
            assert (await core.session()).hello.host == "host-1"
        finally:
            await running.stop()
