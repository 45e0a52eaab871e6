"""All rules in one list, for the command and for the page in `docs/`."""

from __future__ import annotations

import importlib
import pkgutil

from jackfield_sdk.conformance.rules import GROUPS, Rule, rules


def all_rules() -> list[Rule]:
    """Import every case, and return the rules in the order of their ids."""
    from jackfield_sdk.conformance import cases

    for module in pkgutil.iter_modules(cases.__path__):
        importlib.import_module(f"{cases.__name__}.{module.name}")
    return rules()


def as_text() -> str:
    """Return the rules for a terminal."""
    lines: list[str] = []
    for rule in all_rules():
        heading = f"{rule.group} {GROUPS[rule.group]}"
        if heading not in lines:
            lines.append(heading)
        lines.append(f"  {rule.title:<28} {rule.sentence} ({rule.cites})")
    return "\n".join(lines)


def as_markdown() -> str:
    """Return the rules as a table of Markdown, a row for each."""
    rows = [
        f"| {rule.id} | `{rule.name}` | {rule.sentence} | {rule.cites} | {_needs(rule)} | {rule.since} |"
        for rule in all_rules()
    ]
    heading = "| id | name | rule | in `proto/README.md` | needs | since |"
    return "\n".join([heading, "|---|---|---|---|---|---|", *rows])


def _needs(rule: Rule) -> str:
    return ", ".join(f"`{need}`" for need in rule.needs)
