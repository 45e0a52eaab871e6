"""Settings: what is accepted, what is refused, and who overrules whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jackfield_ovs.__main__ import main
from jackfield_ovs.layout import integration_patch, physical_patch
from jackfield_ovs.openflow import Ofctl
from jackfield_ovs.settings import OvsSettings, parse_openflow
from jackfield_sdk.command import read_settings
from pydantic import ValidationError
from typer.testing import CliRunner


def test_the_environment_overrules_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field is read from the environment first, then from [ovs], then it has its default."""
    config = tmp_path / "ovs.toml"
    config.write_text('[ovs]\ntunnel_ip = "10.0.0.1"\ndebounce = 0.5\n[ovs.physical_networks]\nleaf = "br-a"\n')
    monkeypatch.setenv("JACKFIELD_OVS_TUNNEL_IP", "10.0.0.2")

    settings = read_settings(OvsSettings, "ovs", config)

    assert str(settings.tunnel_ip) == "10.0.0.2"
    assert settings.debounce == 0.5
    assert settings.physical_networks == {"leaf": "br-a"}
    assert settings.integration_bridge == "br-int"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"tunnel_types": ["vxlan"]}, "tunnel_types needs tunnel_ip"),
        ({"integration_bridge": "br-tun"}, "must be two bridges"),
        ({"physical_networks": {"leaf": "br-int"}}, "cannot serve a physical network as well"),
        ({"physical_networks": {"a": "br-x", "b": "br-x"}}, "given to two physical networks"),
        ({"physical_networks": {"a": "a-name-that-is-too-long"}}, "is no bridge name"),
        ({"ovsdb": "/run/db.sock"}, "must start with unix:, tcp: or ssl:"),
        ({"openflow": "tcp:10.0.0.1"}, "must be unix:RUN_DIRECTORY"),
        ({"ovsdb": "ssl:10.0.0.1:6640"}, "ssl: needs tls_private_key"),
        ({"bridge": "br-int"}, "Extra inputs are not permitted"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(fields: dict[str, Any], sentence: str) -> None:
    """The operator reads what to change."""
    with pytest.raises(ValidationError, match=sentence):
        OvsSettings(**fields)


def test_every_setting_says_what_it_is_for() -> None:
    """No field is without its text."""
    silent = [name for name, field in OvsSettings.model_fields.items() if not field.description]
    assert silent == []


def test_a_remote_bridge_has_a_port_of_its_own() -> None:
    """Ports count from the first: integration, tunnels, physical networks by name."""
    ofctl = Ofctl(OvsSettings(openflow="tcp:10.0.0.9:7000", physical_networks={"b": "br-1", "a": "br-2"}))

    assert [ofctl.address(bridge) for bridge in ("br-int", "br-tun", "br-2", "br-1")] == [
        f"tcp:10.0.0.9:{port}" for port in (7000, 7001, 7002, 7003)
    ]
    assert ofctl.listening_at("br-2") == "ptcp:7002:10.0.0.9"


def test_a_local_bridge_is_its_socket() -> None:
    """Nothing has to be told to listen beside the switch."""
    ofctl = Ofctl(OvsSettings(openflow="unix:/run/ovs"))

    assert ofctl.address("br-int") == "unix:/run/ovs/br-int.mgmt"
    assert ofctl.listening_at("br-int") == ""


def test_an_ipv6_switch_is_written_in_brackets() -> None:
    """The last colon separates the port."""
    assert parse_openflow("ssl:[2001:db8::1]:6653") == ("ssl", "[2001:db8::1]", 6653)


def test_patch_names_fit_into_an_interface_name() -> None:
    """Long bridge names are cut with a hash, so that two of them do not meet."""
    long = ["br-a-long-name1", "br-a-long-name2"]
    names = {cut(bridge) for cut in (integration_patch, physical_patch) for bridge in (*long, "br-ex")}

    assert len(names) == 6
    assert max(map(len, names)) <= 15
    assert "int-br-ex" in names


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[agent]\ncore = "unix:///c.sock"\nhostt = "a"\n', "  agent.hostt: Extra inputs are not permitted"),
        ('[agent]\ncore = "unix:///c.sock"\n[ovs]\ntunnel_ip = "blue"\n', "  ovs.tunnel_ip: value is not a valid IPv4"),
        ('[agent]\ncore = "unix:///c.sock"\n[ovs]\ntunnel_types = ["vxlan"]\n', "  ovs: tunnel_types needs tunnel_ip"),
    ],
)
def test_the_command_names_the_table_and_the_field(tmp_path: Path, text: str, line: str) -> None:
    """What is wrong in the file ends the command with a line for people, and no address of a manual."""
    config = tmp_path / "ovs.toml"
    config.write_text(text)

    result = CliRunner().invoke(main, ["agent", "--config", str(config)])

    assert result.exit_code == 1
    words = str(result.exception)
    assert line in words
    assert "errors.pydantic.dev" not in words
