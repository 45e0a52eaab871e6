"""The pytest plugin of the suite: its options, the bench, and the outcome of every case.

The command loads it, and so may anybody who runs the cases with pytest himself. pytest keeps its own
idea of pass and fail; `Run`, kept in the config's stash, has ours, which knows blocked cases,
expected failures and skips with their reasons.
"""

from __future__ import annotations

import dataclasses
import os
import random
import subprocess
from collections.abc import Generator, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from jackfield_sdk.conformance.bench import Bench, Unreachable
from jackfield_sdk.conformance.core import Options
from jackfield_sdk.conformance.endpoint import is_served, with_certificates
from jackfield_sdk.conformance.expectations import Expectations
from jackfield_sdk.conformance.outcome import AGAINST, Outcome, Run, Status, explained
from jackfield_sdk.conformance.params import read_params
from jackfield_sdk.conformance.publish import publish
from jackfield_sdk.conformance.rules import Rule, get_rule, place_of, rule_of
from jackfield_sdk.conformance.supervisor import CommandFailed, Commands, OwnProcess, Supervisor
from jackfield_sdk.conformance.verdict import Broken

RUN = pytest.StashKey[Run]()
_EXPECTED = pytest.StashKey[Expectations]()

# Exit code for what is no verdict on the driver.
UNUSABLE = 2

_OPTIONS = {
    "--endpoint": "address of the driver: unix:///path or host:port",
    "--tls-ca": "PEM file of the authority that the driver is signed by; turns TLS on",
    "--tls-certificate": "PEM file of the suite's own certificate, for mutual TLS",
    "--tls-key": "PEM file of its key",
    "--params": "TOML file with what the driver's surroundings are",
    "--command": "command that serves the driver in the foreground; the suite starts, stops and kills it",
    "--restart-command": "shell command that ends the driver if it runs, and starts it",
    "--kill-command": "shell command that ends the driver with SIGKILL",
    "--driver-log": "file that the driver logs to, searched for secrets",
    "--expected-failures": "TOML file with rules that may fail",
    "--junit": "write JUnit XML to this file",
    "--json": "write JSON to this file",
    "--summary": "write a summary in Markdown to this file",
    "--seed": "seed of the random runs",
    "--only": "run these only, separated by commas: groups (C), ids (C4), names (lower-revision) or globs",
    "--examples": "number of random runs",
}

_REPORTS = ("--junit", "--json", "--summary")
_ENDPOINT = ("--endpoint", "--tls-ca", "--tls-certificate", "--tls-key")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the options of the command."""
    group = parser.getgroup("jackfield-conformance")
    for name, help in _OPTIONS.items():
        group.addoption(name, help=help, dest=_name(name), default="")


def pytest_configure(config: pytest.Config) -> None:
    """Begin a run."""
    seed = _option(config, "--seed")
    config.stash[RUN] = Run(seed=int(seed) if seed else random.randrange(2**32))
    config.stash[_EXPECTED] = _read_expectations(_option(config, "--expected-failures"))
    for name in _REPORTS:
        # Better told now than after the run.
        if (told := _option(config, name)) and (os.path.isdir(told) or not os.access(Path(told).parent, os.W_OK)):
            raise pytest.UsageError(f"{name} {told} cannot be written")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the chosen cases."""
    known = [rule for item in items if (rule := _rule(item))]
    parameters = {_parameter(item) for item in items}
    if unknown := config.stash[_EXPECTED].unknown(known, parameters):
        raise pytest.UsageError(f"--expected-failures lists {', '.join(unknown)}, and there is no such rule or case")
    config.stash[RUN].rules = sorted(set(known), key=place_of)
    chosen = [each.strip() for each in _option(config, "--only").split(",") if each.strip()]
    gone = [item for item in items if (rule := _rule(item)) and chosen and not _is_chosen(item, rule, chosen)]
    if len(gone) == len(items):
        raise pytest.UsageError(f"--only {', '.join(chosen)} chooses no rule; --list shows them")
    config.hook.pytest_deselected(items=gone)
    items[:] = [item for item in items if item not in gone]


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Dial the driver for the whole run."""
    config = request.config
    try:
        supervisor = _supervisor(config)
        params = read_params(Path(path) if (path := _option(config, "--params")) else None)
        endpoint = with_certificates(*[_option(config, name) for name in _ENDPOINT])
    except (OSError, ValueError) as error:
        pytest.exit(f"cannot begin: {error}", UNUSABLE)
    run = config.stash[RUN]
    options = Options(endpoint, params, run.seed, int(_option(config, "--examples") or 20))
    try:
        bench = Bench(options, supervisor)
    except (Unreachable, Broken, subprocess.CalledProcessError) as error:
        pytest.exit(f"cannot begin: {error}", UNUSABLE)
    else:
        _introduce(run, bench)
        yield bench
        bench.close()
    finally:
        if supervisor is not None:
            supervisor.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """File the outcome of a case, and tell pytest what it is to think of it."""
    report = yield
    rule = _rule(item)
    if rule is None or (call.when != "call" and not call.excinfo):
        return report
    if call.when == "setup" and call.excinfo and call.excinfo.errisinstance(pytest.exit.Exception):
        return report
    outcome = item.config.stash[RUN].note(_outcome(item, rule, call))
    report.conformance = outcome
    _tell_pytest(report, outcome)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Look what passed against expectation, and write the reports."""
    run = session.config.stash[RUN]
    if not run.outcomes:
        return
    run.outcomes = session.config.stash[_EXPECTED].all_in(run.outcomes)
    if run.of(Status.UNEXPECTED_PASS):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    publish(
        run,
        junit=_option(session.config, "--junit"),
        json_file=_option(session.config, "--json"),
        summary=_option(session.config, "--summary"),
    )
    if not run.of(*AGAINST) and (run.of(Status.ERROR) or not run.judged()):
        session.exitstatus = UNUSABLE


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Tell whoever runs the cases with pytest itself what passed against expectation."""
    for outcome in config.stash[RUN].of(Status.UNEXPECTED_PASS):
        terminalreporter.write_line(explained(outcome))


def _outcome(item: pytest.Item, rule: Rule, call: pytest.CallInfo[None]) -> Outcome:
    run, expected = item.config.stash[RUN], item.config.stash[_EXPECTED]
    parameter = _parameter(item)
    error = call.excinfo.value if call.excinfo else None
    if error is None:
        return Outcome(rule, parameter, Status.PASSED, call.duration)
    if isinstance(error, pytest.skip.Exception):
        return Outcome(rule, parameter, Status.SKIPPED, call.duration, reason=str(error.msg))
    if not isinstance(error, Broken):
        return Outcome(rule, parameter, Status.ERROR, call.duration, reason=_fault(error))
    exchanges = error.exchanges
    if error.rule in (None, rule.id):
        told = Outcome(rule, parameter, Status.FAILED, call.duration, "", error.came, error.wanted, exchanges)
        return expected.failed(dataclasses.replace(told, traits=error.traits))
    broken = get_rule(error.rule)
    culprit = expected.failed(
        Outcome(broken, parameter, Status.FAILED, 0.0, f"seen in {rule.title}", error.came, error.wanted, exchanges)
    )
    if not [each for each in run.outcomes if each.rule is broken and each.status is culprit.status]:
        run.outcomes.append(culprit)
    reason = f"{broken.title} is broken: {error.came}"
    status = Status.BLOCKED if culprit.status is Status.FAILED else Status.EXPECTED_FAILURE
    return Outcome(rule, parameter, status, call.duration, reason)


def _fault(error: BaseException) -> str:
    """Say why a case has no verdict: a command of the operator failed, or the suite itself."""
    if isinstance(error, (CommandFailed, subprocess.CalledProcessError)):
        return str(error)
    return f"a fault of the suite: {type(error).__name__}: {error}"


def _tell_pytest(report: Any, outcome: Outcome) -> None:
    if outcome.status is Status.EXPECTED_FAILURE:
        report.outcome, report.wasxfail = "skipped", outcome.reason
    if outcome.status in (Status.FAILED, Status.BLOCKED):
        report.longrepr = explained(outcome)


def _introduce(run: Run, bench: Bench) -> None:
    message = bench.core.facts.message
    run.driver, run.driver_version = message.driver_name, message.driver_version
    run.contract, run.features = message.contract_major, list(message.features)


def _supervisor(config: pytest.Config) -> Supervisor | None:
    command, told = _option(config, "--command"), _option(config, "--driver-log")
    log_file = Path(told) if told else None
    if command:
        if is_served(address := _option(config, "--endpoint")):
            raise ValueError(f"somebody serves at {address} already; end that, or leave --command out")
        return OwnProcess(command, log_file)
    if log_file is not None and not log_file.is_file():
        raise ValueError(f"--driver-log {log_file} is not there")
    restart, kill = _option(config, "--restart-command"), _option(config, "--kill-command")
    return Commands(restart, kill, log_file) if restart or log_file else None


def _read_expectations(path: str) -> Expectations:
    try:
        return Expectations.read(Path(path)) if path else Expectations({})
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"{path}: {error}") from error


def _is_chosen(item: pytest.Item, rule: Rule, chosen: list[str]) -> bool:
    case = f"[{_parameter(item)}]"
    names = [rule.group, rule.id, rule.name, rule.id + case, rule.name + case]
    return any(name == pattern or fnmatchcase(name, pattern) for name in names for pattern in chosen)


def _parameter(item: pytest.Item) -> str:
    return str(item.callspec.id) if hasattr(item, "callspec") else ""


def _rule(item: pytest.Item) -> Rule | None:
    return rule_of(getattr(item, "function", None))


def _option(config: pytest.Config, name: str) -> str:
    return str(config.getoption(_name(name)))


def _name(option: str) -> str:
    return "conformance_" + option.strip("-").replace("-", "_")
