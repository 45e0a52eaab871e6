"""The house keeps its own rules: names, mirrored files, and a page for every call."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "core/src/jackfield_core"
SOURCES = [
    path
    for folder in ("core/src", "driver_sdk/src", "drivers/ovs/src", "drivers/linuxbridge/src", "drivers/arista/src")
    for path in sorted((ROOT / folder).rglob("*.py"))
]


@pytest.mark.parametrize("resource", ["network", "subnet", "port", "segment", "agent", "driver"])
def test_resource_has_one_name_in_every_layer(resource: str) -> None:
    """A resource's table, service, wire schema and routes are found under the same file name."""
    for layer in ("db", "services", "api/schemas", "api"):
        assert (CORE / layer / f"{resource}.py").is_file(), f"{layer}/{resource}.py is missing"


def test_sources_use_the_words_of_the_field() -> None:
    """Nobody says physnet or tenant in code, and no module is a drawer for odds and ends."""
    drawers = {"utils", "helpers", "misc", "common", "manager2"}
    assert [str(path) for path in SOURCES if path.stem in drawers] == []
    # The wire still says tenant_id, and Neutron's agents report bridge_mappings of "physnet1".
    said = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in SOURCES
        for name in _names(path)
        if re.search(r"physnet|(?<!_)tenant(?!_id)", name, re.IGNORECASE)
    ]
    assert said == []


def test_public_modules_tell_their_story() -> None:
    """Every module opens with a docstring."""
    silent = [str(path.relative_to(ROOT)) for path in SOURCES if path.stat().st_size and not _docstring(path)]
    assert silent == []


def test_no_commit_needs_what_is_not_in_it() -> None:
    """Nothing that is tracked names a path outside of the repository or a package registry."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    # Written in two parts so that this file does not name them itself.
    words = ["/work" + "/", "../" + "shared", "pypi" + ".org", "python" + "hosted", "npm" + "js.org"]
    found = []
    for name in tracked:
        path = ROOT / name
        if not path.is_file():
            continue
        text = path.read_text(errors="replace")
        found += [f"{name}: {word}" for word in words if word in text]
    assert found == []


def _names(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return names | {
        node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    }


def _docstring(path: Path) -> str | None:
    return ast.get_docstring(ast.parse(path.read_text()))
