"""``jackfield check-config``: what ``serve`` would take from the settings, and what an operator may not have meant."""

import os

import msgspec
import typer
from sqlalchemy.engine import make_url

from jackfield_core import certificates, config
from jackfield_core.cli.console import end
from jackfield_core.cli.options import ConfigOption, JsonOption
from jackfield_core.cli.settings import read_settings

commands = typer.Typer(add_completion=False)


@commands.command()
def check_config(config_file: ConfigOption = None, json: JsonOption = False) -> None:
    """Read the settings as `serve` would, and print them with everything that is defaulted."""
    settings = read_settings(config_file)
    if json:
        shown = settings.model_dump(mode="json")
        shown["database"]["url"] = _masked(settings.database.url)
        typer.echo(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())
    if unusable := certificates.problems_of_settings(settings):
        end("files for TLS cannot be used:\n  " + "\n  ".join(unusable))
    if json:
        return
    notifiers = f"notifiers: {len(settings.notifiers)}, " if settings.notifiers else ""
    typer.echo(
        f"The settings are valid. Drivers: {len(settings.drivers)}, {notifiers}"
        f"database: {_masked(settings.database.url)}."
    )
    for warning in [*_warnings(settings), *certificates.warnings_of_settings(settings)]:
        typer.echo(f"warning: {warning}")


def _warnings(settings: config.Settings) -> list[str]:
    warnings = []
    if not settings.api.listen.startswith(("127.", "localhost:", "[::1]", "unix:")):
        warnings.append(f"api.listen is {settings.api.listen}: there is no authentication, everybody there is admin")
    if not settings.drivers:
        warnings.append("there are no drivers: ports stay unbound")
    if settings.database.url.startswith("sqlite") and settings.roles != ["api", "dispatcher", "nodes"]:
        warnings.append("roles are split, but SQLite serves one process; use PostgreSQL")
    return [*warnings, *(warning for notifier in settings.notifiers for warning in _token_warnings(notifier))]


def _token_warnings(notifier: config.Notifier) -> list[str]:
    """Return what an operator may not have meant about the token of a notifier."""
    name = f'notifier "{notifier.name}"'
    warnings = []
    if not (notifier.token_file or notifier.token_env):
        warnings.append(f"{name} has neither token_file nor token_env: it tells its events without a token")
    elif notifier.url.startswith("http:"):
        warnings.append(f"{name} sends its token without encryption: its url begins with http:")
    if notifier.token_file and not os.access(notifier.token_file, os.R_OK):
        warnings.append(f"{name}: there is no readable file {notifier.token_file}, which shall hold its token")
    if notifier.token_env and not os.environ.get(notifier.token_env):
        warnings.append(
            f"{name}: the environment variable {notifier.token_env}, which shall hold its token, is not set"
        )
    return warnings


def _masked(url: str) -> str:
    return make_url(url).render_as_string(hide_password=True)
