"""The options of `jackfield-loopback`, each with its help; all can be set in the environment too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer


def _option(name: str, help: str, *flags: str, **more: Any) -> Any:
    return typer.Option(*flags, envvar=f"JACKFIELD_LOOPBACK_{name}", help=help, **more)


Listen = Annotated[str, _option("LISTEN", "Address to serve on, unix:///path or host:port; {name} is replaced.")]
Name = Annotated[str, _option("NAME", "Name of the driver and of its fabric, so that several can run.")]
RefuseNetworkName = Annotated[
    list[str] | None,
    _option(
        "REFUSE_NETWORK_NAME",
        "Refuse networks with such a name in precommit, as a glob; repeatable.",
        metavar="PATTERN",
    ),
]
RefuseReason = Annotated[str, _option("REFUSE_REASON", "What the user is told then; {name} is replaced.")]
ReservedVlan = Annotated[
    list[int] | None,
    _option("RESERVED_VLAN", "Refuse networks with a segment of this VLAN in precommit; repeatable.", min=1, max=4094),
]
Backends = Annotated[
    list[str] | None,
    _option(
        "BACKEND",
        "Name of a backend of the fabric; repeatable. A network and what stands on it is on one of them. "
        "Without it there is one, of the fabric's name.",
        "--backend",
    ),
]
Bind = Annotated[bool, _option("BIND", "Bind ports.")]
NetworkTypes = Annotated[str, _option("NETWORK_TYPES", "Types of segments to bind, separated by commas; all if empty.")]
VifType = Annotated[str, _option("VIF_TYPE", "VIF type of bound ports.")]
Wired = Annotated[
    bool,
    _option(
        "WIRED",
        "Bound ports need no wiring on the host. With --no-wired the driver reports them up by an event.",
    ),
]
Precommit = Annotated[bool, _option("PRECOMMIT", "Take part in precommit.")]
Postcommit = Annotated[bool, _option("POSTCOMMIT", "Take part in postcommit.")]
Attributes = Annotated[
    bool,
    _option(
        "ATTRIBUTES",
        "Declare attributes: NAME:colour and NAME:secret of networks, NAME:rack of ports, which only the driver sets.",
    ),
]
StateVersion = Annotated[
    int | None,
    _option(
        "STATE_VERSION",
        "Have the core keep a state for every resource, of this version at most. "
        "A release with version 2 also reads version 1. Without it the driver keeps no states.",
        min=1,
        max=2,
    ),
]
Release = Annotated[
    str, _option("VERSION", "Version of the driver, so that an old and a new release can be told apart.", "--version")
]
StateFile = Annotated[
    Path | None,
    _option(
        "STATE_FILE",
        "Keep the fabric and its epoch in this SQLite file, which other processes of the same driver may share. "
        "Without it every process has a new, empty fabric.",
    ),
]
Script = Annotated[
    Path | None,
    _option(
        "SCRIPT",
        'JSON file with what to do wrong, read again when it changes: {"reject": {"network": "reason"}, '
        '"fail_postcommit": {"port": "reason"}, "infeasible": {"port": "reason"}, '
        '"delay": {"precommit": 0.1, "postcommit": 1, "bind": 0}, "in_progress": 2, '
        '"unreachable": {"leaf2": "reason"}}. '
        'Instead of a kind, "delete_port" names one action on it.',
    ),
]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"], _option("LOG_LEVEL", "Least severe level that is logged.")
]
LogJson = Annotated[bool, _option("LOG_JSON", "Log JSON instead of text.")]
