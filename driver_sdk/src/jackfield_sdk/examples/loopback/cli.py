"""`jackfield-loopback`: a fabric in memory, or in a file, served as a driver process."""

from __future__ import annotations

import typer

from jackfield_sdk.examples.loopback import options as given
from jackfield_sdk.examples.loopback.driver import LoopbackDriver, LoopbackOptions
from jackfield_sdk.examples.loopback.fabric import Fabric
from jackfield_sdk.serve import serve
from jackfield_sdk.settings import ServerSettings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def main() -> None:
    """Run `jackfield-loopback`."""
    app()


@app.command()
def loopback(
    listen: given.Listen = "unix:///run/jackfield/{name}.sock",
    name: given.Name = "loopback",
    backend: given.Backends = None,
    refuse_network_name: given.RefuseNetworkName = None,
    refuse_reason: given.RefuseReason = 'network name "{name}" is reserved on this fabric',
    reserved_vlan: given.ReservedVlan = None,
    bind: given.Bind = True,
    network_types: given.NetworkTypes = "",
    vif_type: given.VifType = "other",
    wired: given.Wired = True,
    precommit: given.Precommit = True,
    postcommit: given.Postcommit = True,
    attributes: given.Attributes = False,
    state_version: given.StateVersion = None,
    release: given.Release = "1",
    state_file: given.StateFile = None,
    script: given.Script = None,
    log_level: given.LogLevel = "info",
    log_json: given.LogJson = False,
) -> None:
    """Serve a fabric that exists only in memory, and can be told to refuse."""
    fabric = Fabric(name, backends=backend or ())
    fabric.refused_names = refuse_network_name or []
    fabric.refuse_reason = refuse_reason
    fabric.reserved_vlans = set(reserved_vlan or [])
    options = LoopbackOptions(
        precommit=precommit,
        postcommit=postcommit,
        bind=bind,
        network_types=frozenset(each.strip() for each in network_types.split(",") if each.strip()),
        vif_type=vif_type,
        wired=wired,
        attributes=attributes,
        state_version=state_version,
        version=release,
        state_file=state_file,
        script=script,
    )
    serve(LoopbackDriver(fabric, options), ServerSettings(listen=listen, log_level=log_level, log_json=log_json))
