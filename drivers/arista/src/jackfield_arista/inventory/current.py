"""The inventory as it is now: read again when its file changes, and never worse than it was.

A thread looks at the file every few seconds, and at once when it is woken (SIGHUP). A file that has
changed is read when it has stayed the same from one look to the next, because an editor may be half
way through it. One that cannot be used leaves the inventory as it was, is logged with every fault,
and `fault` says so for as long as that lasts. The last file that could be used is kept beside the
driver's memory: a restart with a bad file starts with it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from jackfield_arista.inventory.file import InventoryInvalid, parse_inventory, read_text
from jackfield_arista.inventory.model import Inventory

log = structlog.get_logger(__name__)

LAST_GOOD = "inventory.last-good.yaml"

Stamp = tuple[int, int, int] | None


class Inventories:
    """Gives the current inventory. Every method may be called from any thread."""

    def __init__(self, file: Path, *, directory: Path | None = None, interval: float = 2.0) -> None:
        """Read the file, or the last good one of `directory`; InventoryInvalid if neither can be used."""
        self._file = file
        self._kept = directory / LAST_GOOD if directory is not None else None
        self._interval = interval
        self._lock = threading.Lock()
        self._listeners: list[Callable[[Inventory], None]] = []
        self._fault_listeners: list[Callable[[], None]] = []
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._read = self._noticed = _stamp(file)
        self._fault = ""
        self._current = self._first()

    def current(self) -> Inventory:
        """Return the inventory that counts now."""
        return self._current

    @property
    def fault(self) -> str:
        """Why the file as it is now is not used, a line for each fault; empty if it is used."""
        return self._fault

    def on_change(self, listener: Callable[[Inventory], None]) -> None:
        """Call *listener* with every new inventory from now on, in the thread that read it."""
        self._listeners.append(listener)

    def on_fault(self, listener: Callable[[], None]) -> None:
        """Call *listener* whenever `fault` is another one, in the thread that read the file."""
        self._fault_listeners.append(listener)

    def start(self) -> None:
        """Say what counts, and begin to look at the file."""
        if self._fault:
            self._complain()
        else:
            log.info("inventory.read", file=str(self._file), changed=True, **_counts(self._current))
        self._thread = threading.Thread(target=self._look_for_ever, name="inventory", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ending.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def wake(self) -> None:
        """Have the file read now, changed or not; may be called by a signal handler."""
        self._wake.set()

    def reload(self) -> bool:
        """Read the file now; return False if it cannot be used and all stays as it was."""
        before = self._fault
        with self._lock:
            self._read = self._noticed = _stamp(self._file)
            is_new = self._use()
        if is_new:
            _tell(self._listeners, self._current)
        if self._fault != before:
            _tell(self._fault_listeners)
        return not self._fault

    def _use(self) -> bool:
        """Use the file as it is now, if it can be used; return True if that is another inventory."""
        try:
            text, found = self._read_file()
        except InventoryInvalid as error:
            self._fault = str(error)
            self._complain()
            return False
        is_new, self._current = found != self._current, found
        self._fault = ""
        self._keep(text)
        log.info("inventory.read", file=str(self._file), changed=is_new, **_counts(found))
        return is_new

    def _first(self) -> Inventory:
        try:
            text, found = self._read_file()
        except InventoryInvalid as error:
            last_good = self._last_good()
            if last_good is None:
                raise
            self._fault = str(error)
            return last_good
        self._keep(text)
        return found

    def _last_good(self) -> Inventory | None:
        if self._kept is None:
            return None
        try:
            return parse_inventory(self._kept.read_text(), self._kept)
        except (OSError, InventoryInvalid):
            return None

    def _complain(self) -> None:
        log.error("inventory.unusable", file=str(self._file), faults=self._fault.splitlines(), kept="the last good one")

    def _read_file(self) -> tuple[str, Inventory]:
        text = read_text(self._file)
        return text, parse_inventory(text, self._file)

    def _keep(self, text: str) -> None:
        if self._kept is None:
            return
        try:
            self._kept.parent.mkdir(parents=True, exist_ok=True)
            beside = self._kept.with_suffix(".new")
            beside.touch(mode=0o600)
            beside.write_text(text)
            beside.replace(self._kept)
        except OSError as error:
            log.warning("inventory.unkept", file=str(self._kept), reason=error.strerror)

    def _look_for_ever(self) -> None:
        while not self._ending.is_set():
            is_told = self._wake.wait(self._interval)
            self._wake.clear()
            if self._ending.is_set():
                return
            stamp = _stamp(self._file)
            if is_told or (stamp != self._read and stamp == self._noticed):
                self.reload()
            self._noticed = stamp


def _tell(listeners: Sequence[Callable[..., None]], *news: Inventory) -> None:
    for listener in listeners:
        try:
            listener(*news)
        except Exception:
            log.exception("inventory.listener_failed")


def _stamp(file: Path) -> Stamp:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _counts(inventory: Inventory) -> dict[str, int]:
    return {"switches": len(inventory.switches), "attachments": len(inventory.attachments)}
