"""The documents say what the code says: settings, metrics, events of the log, alerts, and where links lead."""

import ast
import configparser
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from jackfield_arista.settings import AristaSettings
from jackfield_core.config import Settings
from jackfield_core.extensions.catalogue import EXTENSIONS
from jackfield_linuxbridge.settings import LinuxBridgeSettings
from jackfield_ovs.settings import OvsSettings
from jackfield_sdk.settings import AgentSettings, ServerSettings
from prometheus_client import REGISTRY
from pydantic import BaseModel

ROOT = Path(__file__).resolve().parents[2]
TRACKED = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True)
PAGES = [ROOT / name for name in TRACKED.stdout.split() if "/scaffold/" not in name]
MANUAL = sorted((ROOT / "docs").glob("*.md"))
"""What operators read; decisions tell what was so when they were taken."""
TABLES: Mapping[str, type[BaseModel]] = {
    "driver": ServerSettings,
    "agent": AgentSettings,
    "ovs": OvsSettings,
    "linuxbridge": LinuxBridgeSettings,
    "arista": AristaSettings,
}
"""What drivers and agents read from their files, by table."""

LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
TOML = re.compile(r"^( *)```toml\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
METRIC = re.compile(r"\bjackfield_(?!core\b|sdk\b|ovs\b|linuxbridge\b|arista\b)[a-z_]+")
SETTING = re.compile(r"`\[([a-z]+)\] ([a-z_]+)`")
EVENT = re.compile(r"`([a-z_]+)\.((?!(?:db|json|log|md|py|sock|toml|yaml)`)[a-z_]+)`")


def where(page: Path) -> str:
    """Return the name of a page, for the name of its test."""
    return str(page.relative_to(ROOT))


def test_page_of_settings_is_what_the_settings_say() -> None:
    """Run `tools/settings >docs/settings.md` after a change of a setting."""
    printed = subprocess.run([sys.executable, "tools/settings"], cwd=ROOT, capture_output=True, text=True, check=True)

    assert printed.stdout == (ROOT / "docs/settings.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=where)
def test_files_of_settings_that_are_shown_can_be_read(page: Path) -> None:
    """Every key of a TOML block is a setting of the core, or of a driver or agent."""
    for indent, block in TOML.findall(page.read_text()):
        values = tomllib.loads(re.sub(f"^{indent}", "", block, flags=re.MULTILINE))
        if values.keys() <= Settings.model_fields.keys():
            assert list(unknown(Settings, values)) == []
        elif values.keys() <= TABLES.keys():
            assert [wrong for name in values for wrong in unknown(TABLES[name], values[name])] == []


@pytest.mark.parametrize("page", PAGES, ids=where)
def test_settings_that_are_named_exist(page: Path) -> None:
    """`[audit] interval` is a setting."""
    for table, name in SETTING.findall(page.read_text()):
        model = TABLES.get(table) or Settings
        path = {name: None} if table in TABLES else {table: {name: None}}

        assert list(unknown(model, path)) == []


@pytest.mark.parametrize("page", PAGES, ids=where)
def test_links_lead_somewhere(page: Path) -> None:
    """A link names a file that is there, and a heading that the file has."""
    broken = []
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


def test_arrows_of_the_picture_are_those_that_are_held() -> None:
    """ARCHITECTURE.md draws the layers of the core that `.importlinter` enforces, and tells of every folder."""
    page = (ROOT / "ARCHITECTURE.md").read_text()
    drawn = re.search(r"^core: (.*?)```", page, re.MULTILINE | re.DOTALL)
    assert drawn is not None
    contract = configparser.ConfigParser()
    contract.read(ROOT / ".importlinter")
    held = contract["importlinter:contract:core-layers"]["layers"].replace("jackfield_core.", "").split("\n")
    folders = {path.parent.name for path in (ROOT / "core/src/jackfield_core").glob("*/__init__.py")}

    assert [layer(text) for text in ["__main__", *drawn[1].split("►")]] == [layer(text) for text in held if text]
    assert {folder for folder in folders if f"`{folder}/`" not in page} == set()


def test_every_metric_is_explained(series: dict[str, set[str]]) -> None:
    """An operator finds each number of `/metrics` on a page, and pages name no other."""
    told = [names for names in map(set, REGISTRY._collector_to_names.values()) if METRIC.match(min(names))]
    named = {name for page in MANUAL for name in METRIC.findall(page.read_text())}

    # A histogram is several series, and pages name the one that people ask for.
    assert [min(names) for names in told if not names & named] == []
    assert named - series.keys() == set()


def test_every_alert_is_a_symptom() -> None:
    """Who is woken by an alert finds it by name on the page of symptoms."""
    rules = yaml.safe_load((ROOT / "docs/alerts/jackfield.rules.yml").read_text())
    page = (ROOT / "docs/troubleshooting.md").read_text()

    assert [
        rule["alert"] for group in rules["groups"] for rule in group["rules"] if f"`{rule['alert']}`" not in page
    ] == []


def test_every_extension_is_explained() -> None:
    """The page of the API names each alias that clients are shown, and no other."""
    page = (ROOT / "docs/api.md").read_text()

    assert [one.alias for one in EXTENSIONS if f"`{one.alias}`" not in page] == []
    assert set(re.findall(r"`(jackfield-[a-z-]+)`", page)) <= {one.alias for one in EXTENSIONS}


@pytest.mark.parametrize("page", MANUAL, ids=where)
def test_events_that_are_named_are_logged(page: Path, logged: set[str]) -> None:
    """`driver.lost` is found in a log."""
    families = {event.partition(".")[0] for event in logged}
    named = {f"{family}.{name}" for family, name in EVENT.findall(page.read_text()) if family in families}

    assert {event for event in named - logged if list(unknown(Settings, nested(event)))} == set()


def test_every_warning_of_the_core_is_explained() -> None:
    """What an operator reads in the log at night is on a page."""
    page = (ROOT / "docs/logs.md").read_text()
    sources = sorted((ROOT / "core/src").rglob("*.py"))
    told = {event for path in sources for event in events(path, only=re.compile(r"\blog\.(warning|error|exception)"))}

    assert told
    assert {event for event in told if f"`{event}`" not in page} == set()


@pytest.fixture(scope="module")
def logged() -> set[str]:
    """Return the name of every event that the core, the SDK, a driver or an agent logs."""
    sources = [path for folder in ("core", "driver_sdk", "drivers") for path in (ROOT / folder).glob("**/src/**/*.py")]
    return {event for path in sources for event in events(path)}


def events(path: Path, only: re.Pattern[str] = re.compile("")) -> Iterator[str]:
    """Yield what looks like an event among the first arguments of calls, of functions that are called *only* so."""
    nodes = ast.walk(ast.parse(path.read_text()))
    calls = [one for one in nodes if isinstance(one, ast.Call) and one.args and only.search(ast.unparse(one.func))]
    for node in (one for call in calls for one in ast.walk(call.args[0])):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and EVENT.fullmatch(f"`{node.value}`"):
            yield node.value


def unknown(model: type[BaseModel], values: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Yield the keys of *values* that the settings do not have, by their path."""
    for name, value in values.items():
        field = model.model_fields.get(name)
        if field is None:
            if model.model_config.get("extra") != "allow":
                yield f"{above}{name}"
            continue
        kinds = (field.annotation, *get_args(field.annotation))
        below = next((one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel)), None)
        for one in value if isinstance(value, list) else [value]:
            if below is not None and isinstance(one, dict):
                yield from unknown(below, one, f"{above}{name}.")


def layer(text: str) -> set[str]:
    """Return the packages of one layer, as they are drawn or listed."""
    return {name.strip() for name in text.split("|")}


def nested(path: str) -> dict[str, Any]:
    """Return the table that `section.key` is in."""
    section, _, key = path.partition(".")
    return {section: {key: None}}


def anchors(page: Path) -> set[str]:
    """Return the anchors that Markdown's readers give to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
