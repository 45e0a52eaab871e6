"""The command of a driver's distribution: the driver beside the core, the agent on a host.

All commands of one distribution read one TOML file, in which each part has a table of its own. What
the environment says overrules the file. A wrong value ends the process at start, with a line for
each field that is wrong.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError
from pydantic_settings import BaseSettings

SettingsT = TypeVar("SettingsT", bound=BaseSettings)

Config = Annotated[Path | None, typer.Option(help="TOML file; the environment overrules it.", exists=True)]


def program(story: str | None) -> typer.Typer:
    """Return a program without commands yet, whose help tells the story."""
    return typer.Typer(
        help=story,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def read_settings(kind: type[SettingsT], table: str, config: Path | None) -> SettingsT:
    """Return settings from a table of the file, the environment, and the defaults; the first that speaks wins.

    `pydantic.ValidationError` says what is wrong with which field, ValueError what is wrong with the file.
    """
    return kind(**_spoken_by_file(table, config, kind.model_config.get("env_prefix", "")))


def settings_or_exit(name: str, kind: type[SettingsT], table: str, config: Path | None) -> SettingsT:
    """Return settings, or end the process of the program *name* with a line for each field that is wrong."""
    try:
        return read_settings(kind, table, config)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, [table, *one['loc']]))}: {_fact(one['msg'])}" for one in error.errors()]
        raise SystemExit(f"{name}: the settings are not valid:\n  " + "\n  ".join(faults)) from error
    except ValueError as error:
        raise SystemExit(f"{name}: {error}") from error


def _spoken_by_file(table: str, config: Path | None, env_prefix: str) -> dict[str, Any]:
    """Return the values of a table without those that the environment overrules."""
    if config is None:
        return {}
    values: Any = tomllib.loads(config.read_text()).get(table, {})
    if not isinstance(values, dict):
        raise ValueError(f"{table} in {config} must be a table: [{table}]")
    spoken = {variable.upper() for variable in os.environ}
    return {key: value for key, value in values.items() if env_prefix + key.upper() not in spoken}


def _fact(message: str) -> str:
    return message.removeprefix("Value error, ")
