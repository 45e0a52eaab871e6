"""The alert rules: what they watch is told by the core, and what they point at is written."""

import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

import jackfield_core
import pytest
import yaml
from prometheus_client import REGISTRY

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "docs/alerts/jackfield.rules.yml"
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
]
NAME = re.compile(r"\bjackfield_\w+")
LABEL = re.compile(r"\bby \((\w+)\)")


@pytest.fixture(scope="module")
def series() -> dict[str, set[str]]:
    """Return the labels of every series that a process of the core tells, by name."""
    for module in pkgutil.walk_packages(jackfield_core.__path__, "jackfield_core."):
        if not module.name.endswith("__main__") and ".migrations" not in module.name:
            importlib.import_module(module.name)
    found: dict[str, set[str]] = {}
    for collector in set(REGISTRY._collector_to_names):
        labels = set(getattr(collector, "_labelnames", ()))
        found |= dict.fromkeys(REGISTRY._collector_to_names[collector], labels)
    return found


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_alert_watches_what_is_told(alert: dict[str, Any], series: dict[str, set[str]]) -> None:
    """Every series of an expression exists, with the labels that it is summed up by."""
    names = NAME.findall(alert["expr"])

    assert names
    assert {name for name in names if name not in series} == set()
    assert all(label in series[name] for label in LABEL.findall(alert["expr"]) for name in names)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_alert_leads_to_its_cure(alert: dict[str, Any]) -> None:
    """An alert says what it means, and names a section that exists."""
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)

    assert anchor in {_anchor(heading) for heading in headings}
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["description"]
    assert alert["labels"]["severity"] in ("warning", "critical")


def _anchor(heading: str) -> str:
    """Return the anchor that Markdown's readers give to a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
