"""The rules of the suite, the page that lists them, and the contract that they come from, agree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jackfield_sdk.conformance.rulebook import all_rules, as_markdown
from jackfield_sdk.conformance.rules import GROUPS, Rule

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/conformance.md"
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


def test_every_group_has_rules() -> None:
    """Groups A to I are all there."""
    assert {rule.group for rule in all_rules()} == set(GROUPS)
