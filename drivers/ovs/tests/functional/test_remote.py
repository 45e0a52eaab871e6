"""A switch is served from elsewhere, over TCP and over TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ovs_lab import Host
from support.hosts import eventually, run
from support.views import a_network, a_port

pytestmark = pytest.mark.functional

NETWORK = a_network("net", "vlan")


def remote_settings(scheme: str, pki: Path) -> dict[str, Any]:
    """Return settings by which an agent knows nothing of the host's files."""
    settings: dict[str, Any] = {"ovsdb": f"{scheme}:127.0.0.1:6640", "openflow": f"{scheme}:127.0.0.1:6653"}
    if scheme == "ssl":
        settings |= {
            "tls_private_key": str(pki / "agent.key"),
            "tls_certificate": str(pki / "agent.pem"),
            "tls_ca_certificate": str(pki / "ca.pem"),
        }
    return settings


def make_pki(directory: Path) -> Path:
    """Make an authority and a certificate each for the switch and the agent."""
    ca = ["-keyout", f"{directory}/ca.key", "-out", f"{directory}/ca.pem", "-subj", "/CN=lab authority"]
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *ca)
    for name in ("switch", "agent"):
        key, request, certificate = (f"{directory}/{name}.{suffix}" for suffix in ("key", "csr", "pem"))
        run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        sign = ["-CA", f"{directory}/ca.pem", "-CAkey", f"{directory}/ca.key", "-CAcreateserial", "-days", "2"]
        run("openssl", "x509", "-req", "-in", request, "-out", certificate, *sign)
    return directory


def listens(host: Host, scheme: str, pki: Path) -> None:
    """Have the OVSDB server listen on the network, as the operator does."""
    if scheme == "ssl":
        host.vsctl("set-ssl", f"{pki}/switch.key", f"{pki}/switch.pem", f"{pki}/ca.pem")
    host.vsctl("set-manager", f"p{scheme}:6640:127.0.0.1")


@pytest.mark.parametrize("scheme", ["tcp", "ssl"])
def test_a_remote_switch_is_wired_and_repaired(lab: Any, tmp_path: Path, scheme: str) -> None:
    """Without a file of the host an agent wires its guests, and notices that ovs-vswitchd restarted."""
    host = lab.host()
    listens(host, scheme, make_pki(tmp_path))
    agent = lab.agent(host, **remote_settings(scheme, tmp_path), audit_interval=3600).started()
    ports = [a_port(1, network=NETWORK), a_port(2, network=NETWORK)]
    guests = [lab.guest(host, port) for port in ports]
    agent.network(NETWORK)
    for port, guest in zip(ports, guests, strict=True):
        agent.port(port)
        guest.plug()
        agent.wait_for(port.id, "up")
    agent.in_sync()

    eventually(lambda: guests[0].pings("192.168.7.2"), "the guests talk")

    assert f"p{scheme}:6653:127.0.0.1" in host.vsctl("get-controller", "br-int")
    assert f"p{scheme}:6655:127.0.0.1" in host.vsctl("get-controller", "br-phy")
    wanted = len(host.flows("br-int"))
    host.restart_switchd()
    eventually(lambda: len(host.flows("br-int")) == wanted, "the flows are back")
    eventually(lambda: guests[0].pings("192.168.7.2"), "the guests talk again")


def test_a_controller_of_the_operator_stays(lab: Any, tmp_path: Path) -> None:
    """The agent adds where it needs a bridge to listen, beside what the operator set."""
    host = lab.host()
    host.vsctl("set-controller", "br-phy", "ptcp:7000:127.0.0.1")
    listens(host, "tcp", tmp_path)

    lab.agent(host, **remote_settings("tcp", tmp_path)).started()

    controllers = host.vsctl("get-controller", "br-phy").split()
    assert sorted(controllers) == ["ptcp:6655:127.0.0.1", "ptcp:7000:127.0.0.1"]
