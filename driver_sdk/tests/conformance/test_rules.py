"""The rules of the suite, the page that lists them, and the contract that they come from, agree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jackfield.driver.v1 import driver_pb2, event_pb2, mechanism_pb2, reconcile_pb2
from jackfield_sdk.conformance import SUITE_VERSION
from jackfield_sdk.conformance.rulebook import all_rules, as_markdown
from jackfield_sdk.conformance.rules import GROUPS, Rule
from jackfield_sdk.conformance.wire import METHODS

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/conformance.md"
SUITE = ROOT / "driver_sdk/src/jackfield_sdk/conformance"
CONTRACT = ROOT / "proto/README.md"


def test_the_page_lists_every_rule() -> None:
    """`docs/conformance.md` has the table that the code makes."""
    assert as_markdown() in PAGE.read_text(), f"put this into {PAGE.name}:\n{as_markdown()}"


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.id)
def test_a_rule_cites_what_the_contract_has(rule: Rule) -> None:
    """Every rule names headings and numbered duties that are there."""
    text = CONTRACT.read_text()
    headings = set(re.findall(r"^#+ (.+)$", text, re.MULTILINE))
    for cited in re.split(r", and |, | and ", rule.cites):
        duty = re.fullmatch(r"(Duties of (?:a driver|the core)) (\d+)", cited)
        if duty is None:
            assert cited in headings or cited.isdigit(), f"{rule.title} cites {cited!r}"
            continue
        section = text.partition(f"## {duty[1]}\n")[2].partition("\n## ")[0]
        assert re.search(rf"^{duty[2]}\. ", section, re.MULTILINE), f"{rule.title} cites {cited!r}"


def test_ids_and_names_are_stable_words() -> None:
    """An id is a letter of a group and a number, a name is lower case with hyphens, and none is there twice."""
    rules = all_rules()
    assert all(re.fullmatch(r"[A-I]\d+", rule.id) and rule.group in GROUPS for rule in rules)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name) for rule in rules)
    assert len({rule.name for rule in rules}) == len(rules)


def test_the_suite_has_the_version_of_its_newest_rule() -> None:
    """Whoever adds a rule says since when, and gives the suite a new minor version; the major one is the contract's."""
    major, minor = map(int, SUITE_VERSION.split("."))
    since = [tuple(map(int, rule.since.split("."))) for rule in all_rules()]

    assert major == 1
    assert max(since) <= (major, minor)
    assert sum(each == (1, 0) for each in since) == 89


def test_every_group_has_rules() -> None:
    """Groups A to I are all there."""
    assert {rule.group for rule in all_rules()} == set(GROUPS)


def test_every_rpc_has_a_case() -> None:
    """No RPC of the contract is served to anybody without a rule that calls it."""
    services = [
        service
        for module in (driver_pb2, event_pb2, mechanism_pb2, reconcile_pb2)
        for service in module.DESCRIPTOR.services_by_name.values()
    ]
    methods = {method.name for service in services for method in service.methods}
    sources = "".join(path.read_text() for path in SUITE.rglob("*.py"))

    assert methods <= set(METHODS)
    assert [
        method for method in methods if not re.search(rf'(call|listed|refused|stream)\(\s*"{method}"', sources)
    ] == []
