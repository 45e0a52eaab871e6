"""Look at the frames between the hosts, where only what is really sent can be seen."""

from typing import Self

from e2e.lab.lab import Lab
from support.processes import Process, logs
from support.waiting import wait_until


class Capture:
    """A ``tcpdump`` on the underlay's switch, running while the block runs."""

    def __init__(self, lab: Lab, expression: str) -> None:
        """Capture what matches *expression*, in the language of pcap-filter(7)."""
        # All ports of a kernel bridge are seen on the bridge's own interface only in
        # promiscuous mode and only if flooded; on "any" nothing is missed, but VLAN tags are
        # cut off. The port of the first host sees both directions with their tags.
        cable = lab.names.interface("host1")
        command = ["tcpdump", "--immediate-mode", "-l", "-e", "-n", "-i", cable, expression]
        log = lab.run_directory / "capture.log"
        command = lab.underlay.namespace.inside(command)
        self._process = Process("tcpdump", command, log=log, ready=logs("listening on"), environment=lab.environment)

    def first_packet(self, *, timeout: float = 10.0) -> str:
        """Return the line of the first frame that matched; *timeout* in seconds.

        Raises:
            TimeoutError: None came.
        """
        wait_until(self._packets, what=lambda: f"a frame\n{self._process.output()}", timeout=timeout)
        return self._packets()[0]

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    def _packets(self) -> list[str]:
        lines = self._process.output().splitlines()
        return [line for line in lines if ", length " in line and " > " in line]
