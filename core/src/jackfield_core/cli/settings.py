"""The settings, as commands read them: what is wrong ends the command with a sentence that can be acted on."""

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic
from pydantic_settings import SettingsError

from jackfield_core import config
from jackfield_core.cli.console import end
from jackfield_core.segments.manager import SegmentManager

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def read_settings(path: Path | None, **overrides: Any) -> config.Settings:
    """Read the settings, or end with a sentence that the operator can act on."""
    try:
        settings = config.load(path, **overrides)
        # What ranges and types mean is known to the type drivers only.
        SegmentManager(settings.segments)
    except OSError as error:
        end(f"cannot read {path}: {error.strerror}")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        end(f"{path} is not TOML: {error}")
    except SettingsError as error:
        end(f"a variable JACKFIELD_… is not valid: {error}")
    except pydantic.ValidationError as error:
        end("the settings are not valid:\n  " + "\n  ".join(map(_fault, error.errors())))
    except ValueError as error:
        end(f"the settings are not valid:\n  {error}")
    return settings


def _fault(error: "ErrorDetails") -> str:
    """Return a line that names the field and the fact."""
    return f"{'.'.join(map(str, error['loc'])) or 'settings'}: {error['msg'].removeprefix('Value error, ')}"
