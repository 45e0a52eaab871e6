"""`jackfield-conformance`: run the suite against a driver, say what it found, and end with a verdict.

Exit codes: 0 the driver conforms in what it declares, 1 it breaks rules, 2 it could not be judged.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from jackfield_sdk.conformance import SUITE_VERSION
from jackfield_sdk.conformance.endpoint import fault_in

_EPILOGUE = """
Examples:

  jackfield-conformance --endpoint unix:///run/jackfield/acme.sock

  jackfield-conformance --endpoint unix:///tmp/acme.sock --command "acme-driver --listen unix:///tmp/acme.sock"

  jackfield-conformance --endpoint 127.0.0.1:9111 --only C,G --summary conformance.md --junit conformance.xml

With --command the suite runs the driver itself and can also judge restarts, kills and the log.

Exit codes: 0 the driver conforms: some rules were judged, and none was found broken. Rules that were not judged do not
count; the last line says how many and why. 1 it breaks rules, or passes one that is listed as an expected failure. 2 it
could not be judged: nobody answers, a wrong argument, nothing to judge, a fault of the suite.
"""

_PLUGIN = "jackfield_sdk.conformance.plugin"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def main() -> None:
    """Run `jackfield-conformance`."""
    app()


@app.command(epilog=_EPILOGUE)
def conformance(
    endpoint: Annotated[str, typer.Option(help="Address of the driver: unix:///path or host:port.")] = "",
    tls_ca: Annotated[
        Path | None,
        typer.Option(exists=True, help="PEM file of the authority that the driver is signed by; turns TLS on."),
    ] = None,
    tls_certificate: Annotated[
        Path | None, typer.Option(exists=True, help="PEM file of the suite's own certificate, for mutual TLS.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(exists=True, help="PEM file of its key.")] = None,
    params: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="TOML file: physical networks, VLANs and hosts that the suite may use."
        ),
    ] = None,
    command: Annotated[
        str,
        typer.Option(help="Command that serves the driver in the foreground. The suite starts, stops and kills it."),
    ] = "",
    restart_command: Annotated[
        str, typer.Option(help="Shell command that ends the driver if it runs, and starts it; instead of --command.")
    ] = "",
    kill_command: Annotated[
        str, typer.Option(help="Shell command that ends the driver with SIGKILL; goes with --restart-command.")
    ] = "",
    driver_log: Annotated[
        Path | None, typer.Option(help="File that the driver logs to; it is searched for secrets.")
    ] = None,
    expected_failures: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="TOML file with rules that may fail, each with a reason. One that passes is a failure too.",
        ),
    ] = None,
    only: Annotated[
        str, typer.Option(help="Run these only, separated by commas: groups (C), ids (C4), names, globs, C4[port].")
    ] = "",
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of the random runs; without it a new one, which is printed.")
    ] = None,
    examples: Annotated[int, typer.Option(min=1, help="Number of random runs.")] = 20,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML to this file.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write JSON to this file.")] = None,
    summary: Annotated[
        Path | None, typer.Option(help="Write a summary in Markdown to this file, for publication.")
    ] = None,
    list_rules: Annotated[bool, typer.Option("--list", help="List all rules and end.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version of the suite and end.")] = False,
) -> None:
    """Prove a mechanism driver of any language against the contract jackfield.driver.v1.

    The suite plays the core: it creates, changes and deletes networks, subnets and ports of its own, loses answers,
    repeats itself, sends nonsense, and compares what the driver lists with what it was told. It deletes what it made
    and touches nothing else. Every failure names the rule of proto/README.md that was broken.
    """
    if version:
        typer.echo(f"jackfield-conformance {SUITE_VERSION}")
        return
    _require_pytest()
    if list_rules:
        from jackfield_sdk.conformance.rulebook import as_text

        typer.echo(as_text())
        return
    if not endpoint:
        raise typer.BadParameter("--endpoint is needed, as unix:///path or host:port")
    if fault := fault_in(endpoint):
        raise typer.BadParameter(fault)
    if kill_command and not restart_command:
        raise typer.BadParameter("--kill-command goes with --restart-command")
    if command and restart_command:
        raise typer.BadParameter("--command and --restart-command are two ways to the same; give one")
    told = {
        "--endpoint": endpoint,
        "--tls-ca": tls_ca,
        "--tls-certificate": tls_certificate,
        "--tls-key": tls_key,
        "--params": params,
        "--command": command,
        "--restart-command": restart_command,
        "--kill-command": kill_command,
        "--driver-log": driver_log,
        "--expected-failures": expected_failures,
        "--only": only,
        "--seed": seed,
        "--examples": examples,
        "--junit": junit,
        "--json": json,
        "--summary": summary,
    }
    sys.exit(_run([f"{name}={value}" for name, value in told.items() if value not in (None, "")]))


def _run(arguments: list[str]) -> int:
    """Run pytest with nothing but the suite: no plugins, no configuration of the folder we happen to be in."""
    import pytest

    from jackfield_sdk.conformance.display import Display

    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.pop("PYTEST_ADDOPTS", None)
    cases = Path(__file__).parent / "cases"
    own = [f"-p{each}" for each in ("no:terminal", "no:cacheprovider", "no:faulthandler", _PLUGIN)]
    display = Display(time.monotonic())
    with tempfile.TemporaryDirectory(prefix="jackfield-") as folder:
        # Hypothesis would leave a folder of its own where we are.
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = folder
        status = pytest.main(["-c", os.devnull, f"--rootdir={cases}", *own, *arguments, str(cases)], plugins=[display])
    return display.exit_code(int(status))


def _require_pytest() -> None:
    missing = [name for name in ("pytest", "hypothesis") if importlib.util.find_spec(name) is None]
    if missing:
        raise SystemExit(f"{' and '.join(missing)} missing: install jackfield-sdk[conformance]")
