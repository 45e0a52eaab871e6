"""The words of the command `jackfield-conformance`, as its help explains them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Endpoint = Annotated[str, typer.Option(help="Address of the driver: unix:///path or host:port.")]
TlsCa = Annotated[
    Path | None,
    typer.Option(exists=True, help="PEM file of the authority that the driver is signed by; turns TLS on."),
]
TlsCertificate = Annotated[
    Path | None, typer.Option(exists=True, help="PEM file of the suite's own certificate, for mutual TLS.")
]
TlsKey = Annotated[Path | None, typer.Option(exists=True, help="PEM file of its key.")]
Params = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="TOML file: physical networks, VLANs and hosts that the suite may use."
    ),
]
Command = Annotated[
    str, typer.Option(help="Command that serves the driver in the foreground. The suite starts, stops and kills it.")
]
RestartCommand = Annotated[
    str, typer.Option(help="Shell command that ends the driver if it runs, and starts it; instead of --command.")
]
KillCommand = Annotated[
    str, typer.Option(help="Shell command that ends the driver with SIGKILL; goes with --restart-command.")
]
DriverLog = Annotated[Path | None, typer.Option(help="File that the driver logs to; it is searched for secrets.")]
ExpectedFailures = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="TOML file with rules that may fail, each with a reason. One that passes is a failure too.",
    ),
]
Only = Annotated[
    str, typer.Option(help="Run these only, separated by commas: groups (C), ids (C4), names, globs, C4[port].")
]
Seed = Annotated[
    int | None, typer.Option(min=0, help="Seed of the random runs; without it a new one, which is printed.")
]
Examples = Annotated[int, typer.Option(min=1, help="Number of random runs.")]
JUnit = Annotated[Path | None, typer.Option(help="Write JUnit XML to this file.")]
Json = Annotated[Path | None, typer.Option(help="Write JSON to this file.")]
Summary = Annotated[Path | None, typer.Option(help="Write a summary in Markdown to this file, for publication.")]
ListRules = Annotated[bool, typer.Option("--list", help="List all rules and end.")]
Version = Annotated[bool, typer.Option("--version", help="Show the version of the suite and end.")]
