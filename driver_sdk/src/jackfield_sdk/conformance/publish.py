"""The reports of a run: JUnit for a build, JSON for tools, Markdown for a vendor's page."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from jackfield_sdk.conformance import SUITE_VERSION
from jackfield_sdk.conformance.outcome import Outcome, Run, Status, explained, verdict_of
from jackfield_sdk.conformance.rules import GROUPS

_BROKEN = (Status.FAILED, Status.BLOCKED, Status.UNEXPECTED_PASS)


def publish(run: Run, *, junit: str = "", json_file: str = "", summary: str = "") -> None:
    """Write the reports that a file was named for."""
    if junit:
        Path(junit).write_text(junit_of(run), encoding="utf-8")
    if json_file:
        Path(json_file).write_text(json.dumps(json_of(run), indent=2) + "\n", encoding="utf-8")
    if summary:
        Path(summary).write_text(summary_of(run), encoding="utf-8")


def json_of(run: Run) -> dict[str, Any]:
    """Return the run as JSON: who, what, and every case with its status and reason."""
    return {
        "suite": SUITE_VERSION,
        "contract": f"jackfield.driver.v{run.contract}",
        "driver": {"name": run.driver, "version": run.driver_version, "features": list(run.features)},
        "seed": run.seed,
        "conforms": run.conforms,
        "verdict": verdict_of(run),
        "rules": {
            "judged": [rule.id for rule in run.judged()],
            "not_judged": {reason: [rule.id for rule in rules] for reason, rules in run.not_judged().items()},
        },
        "counts": {status.value: number for status, number in sorted(run.count().items())},
        "cases": [_case(outcome) for outcome in run.outcomes],
    }


def junit_of(run: Run) -> str:
    """Return the run as JUnit XML, one case for each of ours."""
    failures = [outcome for outcome in run.outcomes if outcome.status in _BROKEN]
    suite = ElementTree.Element(
        "testsuite",
        name=f"jackfield-conformance {SUITE_VERSION}: {run.driver} {run.driver_version}",
        tests=str(len(run.outcomes)),
        failures=str(len(failures)),
        errors=str(len(run.of(Status.ERROR))),
        skipped=str(len(run.of(Status.SKIPPED, Status.EXPECTED_FAILURE))),
        time=f"{sum(outcome.seconds for outcome in run.outcomes):.3f}",
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in _properties(run).items():
        ElementTree.SubElement(properties, "property", name=name, value=value)
    for outcome in run.outcomes:
        where = f"jackfield.conformance.{outcome.rule.group}"
        element = ElementTree.SubElement(
            suite, "testcase", classname=where, name=outcome.title, time=f"{outcome.seconds:.3f}"
        )
        _add_result(element, outcome)
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def summary_of(run: Run) -> str:
    """Return the run as a page that a vendor can publish."""
    lines = [
        f"# {run.driver} {run.driver_version} and jackfield.driver.v{run.contract}: {verdict_of(run)}",
        "",
        f"jackfield-conformance {SUITE_VERSION}, {datetime.now(UTC):%Y-%m-%d}, seed {run.seed}."
        f" Features: {', '.join(run.features) or 'none'}.",
        "",
        "| group | passed | skipped | expected failures | broken |",
        "|---|---|---|---|---|",
    ]
    lines += [_group_line(run, letter, name) for letter, name in GROUPS.items()]
    lines += _section("Broken", run.of(*_BROKEN, Status.ERROR))
    lines += _section("Expected failures", run.of(Status.EXPECTED_FAILURE))
    lines += _section("Skipped", run.of(Status.SKIPPED))
    lines += _not_judged(run)
    return "\n".join(lines) + "\n"


def _group_line(run: Run, letter: str, name: str) -> str:
    ours = Run(outcomes=[outcome for outcome in run.outcomes if outcome.rule.group == letter])
    numbers = [
        len(ours.of(*statuses))
        for statuses in ((Status.PASSED,), (Status.SKIPPED,), (Status.EXPECTED_FAILURE,), (*_BROKEN, Status.ERROR))
    ]
    return f"| {letter} {name} | {' | '.join(map(str, numbers))} |"


def _section(title: str, outcomes: list[Outcome]) -> list[str]:
    if not outcomes:
        return []
    said = [f"- {outcome.title}: {outcome.reason or outcome.came}" for outcome in outcomes]
    return ["", f"## {title}", "", *said]


def _not_judged(run: Run) -> list[str]:
    """Say for each reason which rules nothing is known of; a rule may have been skipped for one kind only."""
    rows = [f"- {reason}: {', '.join(rule.id for rule in rules)}" for reason, rules in run.not_judged().items()]
    return ["", "## Rules that were not judged", "", *rows] if rows else []


def _properties(run: Run) -> dict[str, str]:
    others = sum(map(len, run.not_judged().values()))
    return {"verdict": verdict_of(run), "rules judged": str(len(run.judged())), "rules not judged": str(others)}


def _case(outcome: Outcome) -> dict[str, Any]:
    told = {
        "rule": outcome.rule.id,
        "name": outcome.rule.name,
        "parameter": outcome.parameter,
        "status": outcome.status.value,
        "seconds": round(outcome.seconds, 3),
        "reason": outcome.reason,
        "also": ", ".join(outcome.also),
        "came": outcome.came,
        "wanted": outcome.wanted,
        "sentence": outcome.rule.sentence,
        "cites": outcome.rule.cites,
    }
    calls = [{"method": each.method, "sent": each.sent, "came": each.came} for each in outcome.exchanges]
    return {key: value for key, value in told.items() if value != ""} | ({"calls": calls} if calls else {})


def _add_result(element: ElementTree.Element, outcome: Outcome) -> None:
    match outcome.status:
        case Status.SKIPPED | Status.EXPECTED_FAILURE:
            ElementTree.SubElement(element, "skipped", message=outcome.reason)
        case Status.ERROR:
            ElementTree.SubElement(element, "error", message=outcome.reason)
        case Status.FAILED | Status.BLOCKED | Status.UNEXPECTED_PASS:
            failure = ElementTree.SubElement(element, "failure", message=outcome.came or outcome.reason)
            failure.text = _printable(explained(outcome))


def _printable(text: str) -> str:
    # XML 1.0 has no word for most control characters, and an answer may hold any.
    return "".join(each if each.isprintable() or each in "\n\t" else "�" for each in text)
