"""The command `jackfield-arista`: the driver, a check of all switches, its inventory and its memory.

All read one TOML file: `[driver]` is for the socket, `[arista]` for the rest.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from jackfield_sdk import DriverError, ServerSettings, serve
from jackfield_sdk.command import Config, program, settings_or_exit
from rich.console import Console
from rich.table import Table

from jackfield_arista.check.check import check as check_switches
from jackfield_arista.check.report import as_json, show
from jackfield_arista.device.dialling import Dialler
from jackfield_arista.driver import AristaDriver
from jackfield_arista.inventory.current import Inventories
from jackfield_arista.inventory.file import InventoryInvalid, read_inventory
from jackfield_arista.inventory.model import Inventory
from jackfield_arista.lldp.topology import Topology
from jackfield_arista.memory.memory import MEMORY, Memory
from jackfield_arista.settings import AristaSettings

NAME = "jackfield-arista"
main = program(__doc__)
inventory = typer.Typer(help="Look at inventory files.", no_args_is_help=True, rich_markup_mode=None)
main.add_typer(inventory, name="inventory")
memory = typer.Typer(help="Look at what the driver remembers of switches.", no_args_is_help=True, rich_markup_mode=None)
main.add_typer(memory, name="memory")


@main.command()
def driver(config: Config = None) -> None:
    """Serve the mechanism driver to the core. SIGHUP has it read the inventory again."""
    server = settings_or_exit(NAME, ServerSettings, "driver", config)
    settings = settings_or_exit(NAME, AristaSettings, "arista", config)
    inventories = _inventories(settings)
    signal.signal(signal.SIGHUP, lambda *_: inventories.wake())
    topology = Topology(inventories.current, attach_by_lldp=settings.attach_by_lldp, directory=settings.state_directory)
    serve(AristaDriver(settings, inventories, topology, Dialler(settings)), server)


@main.command()
def check(
    config: Config = None,
    switch: Annotated[list[str] | None, typer.Option(help="Only this switch; may be repeated.")] = None,
    in_json: Annotated[bool, typer.Option("--json/--table", help="JSON for programs.")] = False,
) -> None:
    """Try every switch and say what is wrong and what to do; ends with 1 if anything is wrong."""
    settings = settings_or_exit(NAME, AristaSettings, "arista", config)
    found = _read(settings.inventory)
    try:
        reports = check_switches(settings, found, switch or ())
    except KeyError as unknown:
        raise SystemExit(f"{NAME}: there is no switch {unknown.args[0]} in {settings.inventory}") from None
    if in_json:
        typer.echo(json.dumps(as_json(reports), indent=2))
    else:
        show(reports)
    raise typer.Exit(0 if all(report.is_fine for report in reports) else 1)


@inventory.command()
def validate(file: Annotated[Path, typer.Argument(help="An inventory in YAML.")]) -> None:
    """Say everything that is wrong with an inventory file, with lines; ends with 1 if anything is."""
    found = _read(file)
    counts = (f"{len(found.switches)} switches", f"{len(found.groups)} groups", f"{len(found.attachments)} attachments")
    typer.echo(f"{file}: {', '.join(counts)}")


@memory.command("list")
def list_memory(config: Config = None) -> None:
    """List the switches that anything is remembered of, those that the inventory does not have first."""
    settings = settings_or_exit(NAME, AristaSettings, "arista", config)
    known = _read(settings.inventory).switches
    table = Table("Switch", "In the inventory", "Memberships", "Leaving", "Ports as they were")
    with _memory(settings) as kept:
        held = sorted(kept.holdings().items(), key=lambda each: each[0] in known)
    for name, of in held:
        table.add_row(name, "yes" if name in known else "no", str(of.wanted), str(of.leaving), str(of.taken))
    Console().print(table)


@memory.command()
def forget(
    switch: Annotated[str, typer.Argument(help="A switch that is not in the inventory, and will never be again.")],
    config: Config = None,
) -> None:
    """Forget a switch for good: what was ours on it stays there, and nobody knows any more what its ports were."""
    settings = settings_or_exit(NAME, AristaSettings, "arista", config)
    if switch in _read(settings.inventory).switches:
        raise SystemExit(f"{NAME}: {switch} is in {settings.inventory}; take it out first")
    with _memory(settings) as kept:
        if switch not in kept.holdings():
            raise SystemExit(f"{NAME}: nothing is remembered of {switch}")
        kept.forget_switch(switch)
    typer.echo(f"{switch} is forgotten")


@contextmanager
def _memory(settings: AristaSettings) -> Iterator[Memory]:
    """Open what the driver remembers; it may run meanwhile."""
    file = settings.state_directory / MEMORY
    if not file.exists():
        raise SystemExit(f"{NAME}: there is no {file}: the driver was not started yet, or it is another directory")
    try:
        with closing(Memory(file)) as memory:
            yield memory
    except DriverError as error:
        raise SystemExit(f"{NAME}: {error.reason}") from None


def _inventories(settings: AristaSettings) -> Inventories:
    try:
        return Inventories(settings.inventory, directory=settings.state_directory, interval=settings.reload_interval)
    except InventoryInvalid as error:
        raise SystemExit(str(error)) from None


def _read(file: Path) -> Inventory:
    try:
        return read_inventory(file)
    except InventoryInvalid as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
