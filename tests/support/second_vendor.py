"""A vendor of switches beside Arista: a driver on the SDK in a process of its own, with a switch that is a file.

It carries VXLAN between its racks and wants a VLAN in each: a port on a host of
its racks is bound to the fabric at level 0, and somebody else plugs the host. It
puts the VLAN of each such port on the switch and takes it away again. The switch
survives the driver, so a test may kill one and read the other. All that a driver
does goes into a journal which several of them share: it tells in which order.

    vendor = SecondVendor("northwind", folder, racks={"host-7": "leaf2"})
    with vendor.process:
        vendor.fail("switch leaf2 does not answer")
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from jackfield_sdk import (
    BindContext,
    MechanismDriver,
    NetworkContext,
    NextLevel,
    PortContext,
    Rejected,
    RetryLater,
    Segment,
    ServerSettings,
    Skip,
    serve,
)

from support.processes import Process, accepts

RETRY = 0.2
"""Seconds after which the driver wants to be asked again."""
_TESTS = Path(__file__).parents[1]


class Options(msgspec.Struct, frozen=True):
    """What the process is told: *racks* has the physical network of each host, *reserved* VLANs that are not ours."""

    name: str
    folder: str
    racks: dict[str, str]
    reserved: list[int] = []

    @property
    def endpoint(self) -> str:
        """Address where the driver listens."""
        return f"unix://{self.folder}/{self.name}.sock"

    @property
    def switch(self) -> Path:
        """What the switch is configured with: the VLAN of each port, by physical network."""
        return Path(self.folder, f"{self.name}-switch.json")

    @property
    def trouble(self) -> Path:
        """Why the switch cannot be reached, if there is such a file."""
        return Path(self.folder, f"{self.name}-trouble")

    @property
    def journal(self) -> Path:
        """What drivers have done, a line each."""
        return Path(self.folder, "journal")


class SecondVendor:
    """The driver as a test sees it: its process, its switch, and what is wrong with it."""

    def __init__(self, name: str, folder: Path, racks: Mapping[str, str], reserved: Sequence[int] = ()) -> None:
        """Describe the driver of *racks*, host to physical network; nothing runs yet."""
        self.options = Options(name, str(folder), dict(racks), [*reserved])
        self.endpoint = self.options.endpoint
        settings = folder / f"{name}.json"
        settings.write_bytes(msgspec.json.encode(self.options))
        self.process = Process(
            name,
            [sys.executable, "-m", "support.second_vendor", settings],
            log=folder / f"{name}.log",
            ready=accepts(folder / f"{name}.sock"),
            environment={"PYTHONPATH": str(_TESTS)},
        )

    def vlans(self) -> dict[str, tuple[str, int]]:
        """Return physical network and VLAN of each port on the switch, by port id."""
        return {id: (name, vlan) for id, (name, vlan) in _read(self.options.switch).items()}

    def fail(self, reason: str) -> None:
        """Let nobody reach the switch."""
        self.options.trouble.write_text(reason)

    def recover(self) -> None:
        """Let the switch be reached again."""
        self.options.trouble.unlink()


def journal(folder: Path, id: str) -> list[tuple[str, str]]:
    """Return which driver did what with a resource, in order."""
    path = folder / "journal"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [(line["driver"], line["did"]) for line in lines if line["id"] == id]


class Driver(MechanismDriver):
    """The driver itself: looks at the switch, and writes the difference."""

    network_types = frozenset({"vxlan"})

    def __init__(self, options: Options) -> None:
        """Drive the switch of *options*."""
        self.name = options.name
        self._options = options

    async def bind_port(self, context: BindContext) -> NextLevel | Skip:
        rack = self._options.racks.get(context.host.name)
        if rack is None:
            return Skip(f"host {context.host.name} is on no switch of {self.name}")
        return NextLevel(context.segments[0].id, "vlan", rack)

    async def create_network_precommit(self, context: NetworkContext) -> None:
        for segment in self._mine(context.current.segments):
            if segment.segmentation_id in self._options.reserved:
                raise Rejected(f"VLAN {segment.segmentation_id} is reserved on {segment.physical_network}")

    async def create_network_postcommit(self, context: NetworkContext) -> None:
        vlans = [str(segment.segmentation_id) for segment in self._mine(context.current.segments)]
        self._note(context.current.id, f"{context.action} network with {', '.join(vlans) or 'nothing'}")

    async def create_port_postcommit(self, context: PortContext) -> None:
        id, wanted = context.current.id, self._wanted(context)
        held = _read(self._options.switch)
        if held.get(id) == wanted:
            return
        if self._options.trouble.exists():
            self._note(id, f"failed to {context.action}")
            raise RetryLater(self._options.trouble.read_text(), RETRY, code="SWITCH_UNREACHABLE")
        held.pop(id, None)
        self._write(held if wanted is None else {**held, id: wanted})
        self._note(id, context.action)

    async def delete_port_postcommit(self, context: PortContext) -> None:
        await self.create_port_postcommit(context)

    update_network_precommit = create_network_precommit
    update_network_postcommit = create_network_postcommit
    update_port_postcommit = create_port_postcommit

    def _wanted(self, context: PortContext) -> list[Any] | None:
        """Return physical network and VLAN that the port has to have on the switch, or None."""
        host = context.host.name if context.host else ""
        bound = [one for one in self._mine(context.segments) if self._options.racks.get(host) == one.physical_network]
        if context.action == "delete" or not bound:
            return None
        return [bound[-1].physical_network, bound[-1].segmentation_id]

    def _mine(self, segments: Sequence[Segment]) -> list[Segment]:
        """Return the VLANs of the own racks."""
        return [one for one in segments if one.physical_network in self._options.racks.values()]

    def _write(self, held: Mapping[str, Any]) -> None:
        # In one step: a test reads it at any time.
        draft = self._options.switch.with_suffix(".new")
        draft.write_text(json.dumps(held))
        draft.replace(self._options.switch)

    def _note(self, id: str, did: str) -> None:
        line = json.dumps({"driver": self.name, "did": did, "id": id}) + "\n"
        # One write at the end of the file is never torn by that of another process.
        file = os.open(self._options.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)


def _read(path: Path) -> dict[str, Any]:
    held: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return held


def main() -> None:
    """Serve until SIGTERM, as told by the file that the command line names."""
    options = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Options)
    serve(Driver(options), ServerSettings(listen=options.endpoint))


if __name__ == "__main__":
    main()
