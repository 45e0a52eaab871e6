"""`jackfield-conformance`: run the suite against a driver, say what it found, and end with a verdict.

Exit codes: 0 the driver conforms in what it declares, 1 it breaks rules, 2 it could not be judged.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import typer

from jackfield_sdk.conformance import SUITE_VERSION, arguments
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

# pytest with nothing but the suite; a `conftest.py` above the cases is that of whoever has the SDK in his tree.
_NOTHING_ELSE = ("--noconftest", "-pno:terminal", "-pno:cacheprovider", "-pno:faulthandler")
_PLUGIN = "-pjackfield_sdk.conformance.plugin"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


def main() -> None:
    """Run `jackfield-conformance`."""
    app()


@app.command(epilog=_EPILOGUE)
def conformance(
    endpoint: arguments.Endpoint = "",
    tls_ca: arguments.TlsCa = None,
    tls_certificate: arguments.TlsCertificate = None,
    tls_key: arguments.TlsKey = None,
    params: arguments.Params = None,
    command: arguments.Command = "",
    restart_command: arguments.RestartCommand = "",
    kill_command: arguments.KillCommand = "",
    driver_log: arguments.DriverLog = None,
    expected_failures: arguments.ExpectedFailures = None,
    only: arguments.Only = "",
    seed: arguments.Seed = None,
    examples: arguments.Examples = 20,
    junit: arguments.JUnit = None,
    json: arguments.Json = None,
    summary: arguments.Summary = None,
    list_rules: arguments.ListRules = False,
    version: arguments.Version = False,
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
        _show_rules()
        return
    _require_sense(endpoint, command, restart_command, kill_command)
    # There are no local names but those of the options.
    sys.exit(_run(_for_pytest(locals())))


def _show_rules() -> None:
    from jackfield_sdk.conformance.rulebook import as_text

    typer.echo(as_text())


def _require_sense(endpoint: str, command: str, restart_command: str, kill_command: str) -> None:
    """Refuse what is missing, and what does not go together."""
    if not endpoint:
        raise typer.BadParameter("--endpoint is needed, as unix:///path or host:port")
    if fault := fault_in(endpoint):
        raise typer.BadParameter(fault)
    if kill_command and not restart_command:
        raise typer.BadParameter("--kill-command goes with --restart-command")
    if command and restart_command:
        raise typer.BadParameter("--command and --restart-command are two ways to the same; give one")


def _for_pytest(told: Mapping[str, object]) -> list[str]:
    """Write what the command was told as options of the plugin, which have the same names."""
    given = {name: value for name, value in told.items() if value not in (None, "") and value is not False}
    return [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]


def _run(options: list[str]) -> int:
    """Run pytest with nothing but the suite: no plugins, no configuration of the folder we happen to be in."""
    import pytest

    from jackfield_sdk.conformance.display import Display

    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.pop("PYTEST_ADDOPTS", None)
    cases = Path(__file__).parent / "cases"
    display = Display(time.monotonic())
    with tempfile.TemporaryDirectory(prefix="jackfield-") as folder:
        # Hypothesis would leave a folder of its own where we are.
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = folder
        own = ["-c", os.devnull, f"--rootdir={cases}", *_NOTHING_ELSE, _PLUGIN]
        status = pytest.main([*own, *options, str(cases)], plugins=[display])
    return display.exit_code(int(status))


def _require_pytest() -> None:
    missing = [name for name in ("pytest", "hypothesis") if importlib.util.find_spec(name) is None]
    if missing:
        raise SystemExit(f"{' and '.join(missing)} missing: install jackfield-sdk[conformance]")
