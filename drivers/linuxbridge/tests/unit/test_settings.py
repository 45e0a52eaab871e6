"""Settings: what is accepted, what is refused, and who overrules whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jackfield_linuxbridge.__main__ import main
from jackfield_linuxbridge.settings import LinuxBridgeSettings
from jackfield_sdk.command import read_settings
from pydantic import ValidationError
from typer.testing import CliRunner


def test_the_environment_overrules_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field is read from the environment first, then from [linuxbridge], then it has its default."""
    config = tmp_path / "linuxbridge.toml"
    config.write_text(
        '[linuxbridge]\ntunnel_ip = "10.0.0.1"\ndebounce = 0.5\n[linuxbridge.physical_networks]\nleaf = "eth1"\n'
    )
    monkeypatch.setenv("JACKFIELD_LINUXBRIDGE_TUNNEL_IP", "10.0.0.2")

    settings = read_settings(LinuxBridgeSettings, "linuxbridge", config)

    assert str(settings.tunnel_ip) == "10.0.0.2"
    assert settings.debounce == 0.5
    assert settings.physical_networks == {"leaf": "eth1"}
    assert settings.vif_type == "tap"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"tunnel_types": ["vxlan"]}, "tunnel_types needs tunnel_ip"),
        ({"tunnel_types": ["gre"], "tunnel_ip": "fd00::1"}, "gre needs an IPv4 tunnel_ip"),
        ({"tunnel_types": ["geneve"], "tunnel_ip": "10.0.0.1"}, "'vxlan' or 'gre'"),
        ({"physical_networks": {"a": "eth1", "b": "eth1"}}, "given to two physical networks"),
        ({"physical_networks": {"a": "a-name-that-is-too-long"}}, "is no device name"),
        ({"vif_type": "ovs"}, "'tap' or 'bridge'"),
        ({"deployment": "two words"}, "should match pattern"),
        ({"integration_bridge": "br-int"}, "Extra inputs are not permitted"),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(fields: dict[str, Any], sentence: str) -> None:
    """The operator reads what to change."""
    with pytest.raises(ValidationError, match=sentence):
        LinuxBridgeSettings(**fields)


def test_every_setting_says_what_it_is_for() -> None:
    """No field is without its text."""
    silent = [name for name, field in LinuxBridgeSettings.model_fields.items() if not field.description]
    assert silent == []


@pytest.mark.parametrize("command", ["driver", "agent"])
def test_wrong_settings_end_with_a_line_for_each(command: str, tmp_path: Path) -> None:
    """The command names the table and the field, and shows no traceback."""
    config = tmp_path / "linuxbridge.toml"
    config.write_text('[driver]\nlisten = 7\n[linuxbridge]\nvif_type = "ovs"\n')

    result = CliRunner().invoke(main, [command, "--config", str(config)])

    field = {"driver": "driver.listen", "agent": "linuxbridge.vif_type"}[command]
    assert result.exit_code == 1
    assert str(result.exception) == "" or isinstance(result.exception, SystemExit)
    assert f"  {field}: " in result.output + str(result.exception)
