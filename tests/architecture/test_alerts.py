"""The alert rules: what they watch is told by the core, and what they point at is written."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from promql_parser import AggregateExpr, BinaryExpr, Call, VectorSelector, parse, parse_duration

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "docs/alerts/jackfield.rules.yml"
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
]
SHOWN_LABEL = re.compile(r"\$labels\.(\w+)")


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_alert_watches_what_is_told(alert: dict[str, Any], series: dict[str, set[str]]) -> None:
    """Every series of an expression exists, with the labels that it is chosen and summed up by."""
    expression = parse(alert["expr"])
    watched = [part for part in parts(expression) if isinstance(part, VectorSelector)]

    assert watched
    assert {one.name for one in watched if one.name not in series} == set()
    assert all(matcher.name in series[one.name] for one in watched for matcher in one.matchers.matchers)
    for part in parts(expression):
        if isinstance(part, AggregateExpr) and part.modifier is not None:
            below = [series[one.name] for one in parts(part) if isinstance(one, VectorSelector)]
            assert all({*part.modifier.labels} <= labels for labels in below)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_alert_is_a_comparison_that_prometheus_takes(alert: dict[str, Any]) -> None:
    """It is true at some times only, waits for a duration, and shows labels that its result has."""
    expression = parse(alert["expr"])
    modifiers = [part.modifier for part in parts(expression) if isinstance(part, AggregateExpr)]
    left = {label for modifier in modifiers if modifier is not None for label in modifier.labels}

    is_absence = isinstance(expression, Call) and expression.func.name == "absent"
    assert isinstance(expression, BinaryExpr) or is_absence
    assert parse_duration(alert.get("for", "1m"))
    assert {*SHOWN_LABEL.findall(str(alert["annotations"]))} <= left


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_alert_leads_to_its_cure(alert: dict[str, Any]) -> None:
    """An alert says what it means, and names a section that exists."""
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)

    assert anchor in {_anchor(heading) for heading in headings}
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["description"]
    assert alert["labels"]["severity"] in ("warning", "critical")


def parts(expression: Any) -> Iterator[Any]:
    """Return an expression of PromQL and all that it is made of."""
    yield expression
    below = [getattr(expression, name, None) for name in ("lhs", "rhs", "expr", "vector_selector")]
    for part in [*filter(None, below), *getattr(expression, "args", ())]:
        yield from parts(part)


def _anchor(heading: str) -> str:
    """Return the anchor that Markdown's readers give to a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
