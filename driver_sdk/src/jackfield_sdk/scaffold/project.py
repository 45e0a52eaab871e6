"""How a project is written: the tree of templates, with the driver's names filled in.

A file below `templates/` becomes a file of the project at the same place. `PACKAGE` in its path and
`$package` in its text are the name of the Python package; see `_names` for the others. Nothing that
exists is ever overwritten.
"""

from __future__ import annotations

import re
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 63
# Jackfield has packages or commands of these names; a project's own would take their place.
_TAKEN = {"arista", "conformance", "core", "linuxbridge", "loopback", "ovs", "sdk"}
_SUFFIX = ".template"


class CannotWrite(Exception):
    """There will be no project: why."""


def write_project(name: str, directory: Path) -> list[Path]:
    """Write the project of the driver `name` and return its files.

    CannotWrite if the name is none, or if there is something in `directory`.
    """
    names = _names(name)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise CannotWrite(f"{directory} exists and is not an empty folder; nothing was written")
    templates = resources.files("jackfield_sdk.scaffold") / "templates"
    try:
        return [_write(template, directory / path, names) for path, template in _walk(templates, Path(), names)]
    except OSError as error:
        raise CannotWrite(f"{error.filename}: {error.strerror}") from error


def _names(name: str) -> dict[str, str]:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise CannotWrite(f'"{name}" is no name of a driver: lower case letters, digits and single hyphens, at most 63')
    if name in _TAKEN:
        raise CannotWrite(f'"{name}" names a part of Jackfield; "my-{name}" would be free')
    return {
        "name": name,
        "package": f"jackfield_{name.replace('-', '_')}",
        "distribution": f"jackfield-driver-{name}",
        "command": f"jackfield-{name}",
        "driver_class": "".join(part.capitalize() for part in name.split("-")) + "Driver",
        "settings_prefix": f"{name.replace('-', '_').upper()}_",
        "sdk_version": metadata.version("jackfield-sdk"),
    }


def _walk(folder: Traversable, path: Path, names: dict[str, str]) -> list[tuple[Path, Traversable]]:
    found: list[tuple[Path, Traversable]] = []
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        name = entry.name.removesuffix(_SUFFIX).replace("PACKAGE", names["package"])
        if entry.is_dir():
            found += _walk(entry, path / name, names)
        elif entry.name.endswith(_SUFFIX):
            found.append((path / name, entry))
    return found


def _write(template: Traversable, path: Path, names: dict[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x") as file:
        file.write(Template(template.read_text()).substitute(names))
    return path
