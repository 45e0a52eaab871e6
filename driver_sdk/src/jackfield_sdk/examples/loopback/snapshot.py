"""A fabric that outlives its process: a JSON snapshot, replaced as a whole after changes.

Changes of 50 ms share one write, so a process that is killed may lose the last of them although
they were acknowledged. That must not go unnoticed: before the first unwritten change a marker is
put beside the file, and taken away after the write. Who starts and finds the marker takes a new
epoch, and the core sends everything again.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict

from jackfield_sdk.examples.loopback.fabric import Fabric, Held
from jackfield_sdk.resources import Kind, Network, Port, Subnet

log = structlog.get_logger("jackfield_sdk")

# Seconds that changes are collected before they are written.
_DEBOUNCE = 0.05


class _Entry(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    revision: int
    digest: bytes


class _NetworkEntry(_Entry):
    value: Network


class _SubnetEntry(_Entry):
    value: Subnet


class _PortEntry(_Entry):
    value: Port


class _Snapshot(BaseModel):
    epoch: str
    networks: dict[str, _NetworkEntry] = {}
    subnets: dict[str, _SubnetEntry] = {}
    ports: dict[str, _PortEntry] = {}


class StateFile:
    """Keeps one fabric in one file."""

    def __init__(self, path: Path, fabric: Fabric) -> None:
        """Keep `fabric` in `path`, once loaded."""
        self._path = path
        self._marker = path.with_name(path.name + ".dirty")
        self._fabric = fabric
        self._timer: asyncio.TimerHandle | None = None

    def load(self) -> None:
        """Fill the fabric from the file, and write every change from now on.

        ValueError if the file holds no snapshot: it is not overwritten then.
        """
        if self._path.exists():
            self._fill(_Snapshot.model_validate_json(self._path.read_bytes()))
        self._fabric.on_change = self._changed
        self.write()

    def close(self) -> None:
        """Write what is unwritten, and no more after that."""
        self._fabric.on_change = lambda: None
        if self._timer is not None:
            self.write()

    def write(self) -> None:
        """Replace the file; a reader sees the old snapshot or the new one, and nothing between."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_name(self._path.name + ".new")
        new.write_bytes(self._content())
        os.replace(new, self._path)
        self._marker.unlink(missing_ok=True)

    def _changed(self) -> None:
        if self._timer is None:
            self._marker.touch()
            self._timer = asyncio.get_running_loop().call_later(_DEBOUNCE, self.write)

    def _content(self) -> bytes:
        fabric = self._fabric
        snapshot = _Snapshot.model_construct(
            epoch=fabric.epoch,
            networks={
                id: _NetworkEntry.model_construct(
                    revision=held.revision, digest=fabric.digests.get((Kind.NETWORK, id), b""), value=held.value
                )
                for id, held in fabric.networks.items()
            },
            subnets={
                id: _SubnetEntry.model_construct(
                    revision=held.revision, digest=fabric.digests.get((Kind.SUBNET, id), b""), value=held.value
                )
                for id, held in fabric.subnets.items()
            },
            ports={
                id: _PortEntry.model_construct(
                    revision=held.revision, digest=fabric.digests.get((Kind.PORT, id), b""), value=held.value
                )
                for id, held in fabric.ports.items()
            },
        )
        # The profile may hold credentials of a switch, which have no place in a file.
        without_secrets = {"ports": {"__all__": {"value": {"binding": {"profile"}}}}}
        return snapshot.model_dump_json(exclude=without_secrets).encode()

    def _fill(self, snapshot: _Snapshot) -> None:
        fabric = self._fabric
        fabric.epoch = str(uuid.uuid4()) if self._marker.exists() else snapshot.epoch
        fabric.networks = {id: Held(entry.revision, entry.value) for id, entry in snapshot.networks.items()}
        fabric.subnets = {id: Held(entry.revision, entry.value) for id, entry in snapshot.subnets.items()}
        fabric.ports = {id: Held(entry.revision, entry.value) for id, entry in snapshot.ports.items()}
        entries = ((Kind.NETWORK, snapshot.networks), (Kind.SUBNET, snapshot.subnets), (Kind.PORT, snapshot.ports))
        for kind, shelf in entries:
            for id, entry in shelf.items():
                fabric.digests[kind, id] = entry.digest
        log.info("fabric.loaded", path=str(self._path), epoch=fabric.epoch, ports=len(fabric.ports))
