"""`jackfield-loopback`: a fabric in memory, served as a driver process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from jackfield_sdk.examples.loopback.driver import LoopbackDriver, LoopbackOptions
from jackfield_sdk.examples.loopback.fabric import Fabric
from jackfield_sdk.serve import serve
from jackfield_sdk.settings import ServerSettings

_ENV = "JACKFIELD_LOOPBACK_"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def main() -> None:
    """Run `jackfield-loopback`."""
    app()


@app.command()
def loopback(
    listen: Annotated[
        str,
        typer.Option(
            envvar=_ENV + "LISTEN", help="Address to serve on, unix:///path or host:port; {name} is replaced."
        ),
    ] = "unix:///run/jackfield/{name}.sock",
    name: Annotated[
        str, typer.Option(envvar=_ENV + "NAME", help="Name of the driver and of its fabric, so that several can run.")
    ] = "loopback",
    refuse_network_name: Annotated[
        list[str] | None,
        typer.Option(
            envvar=_ENV + "REFUSE_NETWORK_NAME",
            metavar="PATTERN",
            help="Refuse networks with such a name in precommit, as a glob; repeatable.",
        ),
    ] = None,
    refuse_reason: Annotated[
        str,
        typer.Option(envvar=_ENV + "REFUSE_REASON", help="What the user is told then; {name} is replaced."),
    ] = 'network name "{name}" is reserved on this fabric',
    reserved_vlan: Annotated[
        list[int] | None,
        typer.Option(
            envvar=_ENV + "RESERVED_VLAN",
            min=1,
            max=4094,
            help="Refuse networks with a segment of this VLAN in precommit; repeatable.",
        ),
    ] = None,
    bind: Annotated[bool, typer.Option(envvar=_ENV + "BIND", help="Bind ports.")] = True,
    network_types: Annotated[
        str,
        typer.Option(
            envvar=_ENV + "NETWORK_TYPES", help="Types of segments to bind, separated by commas; all if empty."
        ),
    ] = "",
    vif_type: Annotated[str, typer.Option(envvar=_ENV + "VIF_TYPE", help="VIF type of bound ports.")] = "other",
    wired: Annotated[
        bool,
        typer.Option(
            envvar=_ENV + "WIRED",
            help="Bound ports need no wiring on the host. With --no-wired the driver reports them up by an event.",
        ),
    ] = True,
    precommit: Annotated[bool, typer.Option(envvar=_ENV + "PRECOMMIT", help="Take part in precommit.")] = True,
    postcommit: Annotated[bool, typer.Option(envvar=_ENV + "POSTCOMMIT", help="Take part in postcommit.")] = True,
    state_file: Annotated[
        Path | None,
        typer.Option(
            envvar=_ENV + "STATE_FILE",
            help="Keep the fabric and its epoch in this JSON file. Without it every process has a new, empty fabric.",
        ),
    ] = None,
    script: Annotated[
        Path | None,
        typer.Option(
            envvar=_ENV + "SCRIPT",
            help='JSON file with what to do wrong, read again when it changes: {"reject": {"network": "reason"}, '
            '"fail_postcommit": {"port": "reason"}, "infeasible": {"port": "reason"}, '
            '"delay": {"precommit": 0.1, "postcommit": 1, "bind": 0}, "in_progress": 2}. '
            'Instead of a kind, "delete_port" names one action on it.',
        ),
    ] = None,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        typer.Option(envvar=_ENV + "LOG_LEVEL", help="Least severe level that is logged."),
    ] = "info",
    log_json: Annotated[bool, typer.Option(envvar=_ENV + "LOG_JSON", help="Log JSON instead of text.")] = False,
) -> None:
    """Serve a fabric that exists only in memory, and can be told to refuse."""
    fabric = Fabric(name)
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
        state_file=state_file,
        script=script,
    )
    settings = ServerSettings(listen=listen, log_level=log_level, log_json=log_json)
    serve(LoopbackDriver(fabric, options), settings)
