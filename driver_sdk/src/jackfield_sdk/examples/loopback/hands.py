"""Hands at the console of a device: they change the file of a fabric behind the driver's back.

    hands = Hands(path)
    hands.change("port", port_id)
    hands.remove("network", network_id)
    hands.add("port", like=port_id)
    hands.add("port", like=port_id, owner="another deployment")

The same from a shell, as `change_command` and `remove_command` in the parameters of `jackfield-conformance`:

    python -m jackfield_sdk.examples.loopback.hands change fabric.db port 2f6d5a2e-...
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

# Seconds to wait for a driver that writes.
_PATIENCE = 5.0

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class NothingThere(LookupError):
    """The resource that hands were to change is not in the file."""


class Hands:
    """Somebody who changes the file of a fabric; a driver that runs on it finds out.

    NothingThere if what is to be changed or copied is not in the file.
    """

    def __init__(self, path: Path) -> None:
        """Have `path` at hand; it is opened for each change."""
        self._path = path

    def change(self, kind: str, id: str, **fields: Any) -> None:
        """Change fields of a resource, its name unless told, and leave all marks."""
        with self._file() as file:
            found = file.execute("SELECT value FROM held WHERE kind = ? AND id = ? AND value IS NOT NULL", (kind, id))
            row = found.fetchone()
            if row is None:
                raise NothingThere(f"there is no {kind} {id} in {self._path}")
            value = json.dumps(json.loads(row[0]) | (fields or {"name": "changed by hand"}))
            file.execute("UPDATE held SET value = ? WHERE kind = ? AND id = ?", (value, kind, id))

    def remove(self, kind: str, id: str) -> None:
        """Remove a resource with all its marks."""
        with self._file() as file:
            file.execute("DELETE FROM held WHERE kind = ? AND id = ? AND value IS NOT NULL", (kind, id))

    def add(self, kind: str, *, like: str, id: str = "", owner: str | None = None) -> str:
        """Add a copy of a resource under a new id and return that; marked as the first, or with another owner."""
        id = id or str(uuid.uuid4())
        with self._file() as file:
            statement = """
                INSERT INTO held (kind, id, revision, owner, backend, value)
                SELECT kind, :id, revision, coalesce(:owner, owner), backend, json_set(value, '$.id', :id)
                FROM held WHERE kind = :kind AND id = :like AND value IS NOT NULL
            """
            added = file.execute(statement, {"id": id, "owner": owner, "kind": kind, "like": like})
            if not added.rowcount:
                raise NothingThere(f"there is no {kind} {like} in {self._path}")
        return id

    def wipe(self, backend: str) -> None:
        """Reset a backend to what it came from the factory with: nothing, and a new epoch."""
        with self._file() as file:
            file.execute("DELETE FROM held WHERE backend = ? AND value IS NOT NULL", (backend,))
            file.execute("UPDATE backend SET epoch = ? WHERE id = ?", (str(uuid.uuid4()), backend))

    @contextmanager
    def _file(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(f"file:{self._path}?mode=rw", uri=True, timeout=_PATIENCE)) as file, file:
            yield file


_File = Annotated[Path, typer.Argument(help="State file of the fabric.", exists=True, dir_okay=False)]
_Kind = Annotated[str, typer.Argument(help="network, subnet or port.")]


@app.command()
def change(file: _File, kind: _Kind, id: str) -> None:
    """Give a resource another name."""
    Hands(file).change(kind, id)


@app.command()
def remove(file: _File, kind: _Kind, id: str) -> None:
    """Remove a resource."""
    Hands(file).remove(kind, id)


@app.command()
def add(
    file: _File,
    kind: _Kind,
    like: Annotated[str, typer.Argument(help="The resource to copy.")],
    owner: Annotated[str | None, typer.Option(help="Deployment that it shall belong to, if another.")] = None,
) -> None:
    """Add a copy of a resource and print its id."""
    typer.echo(Hands(file).add(kind, like=like, owner=owner))


@app.command()
def wipe(file: _File, backend: str) -> None:
    """Reset a backend."""
    Hands(file).wipe(backend)


def main() -> None:
    """Run the command."""
    try:
        app()
    except NothingThere as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
