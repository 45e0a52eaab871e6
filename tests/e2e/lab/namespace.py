"""A network namespace, the thing that hosts, machines and the underlay are made of."""

from collections.abc import Sequence

from e2e.lab.commands import run


class Namespace:
    """A network namespace with its loopback up; `remove` takes its interfaces along."""

    def __init__(self, name: str) -> None:
        self.name = name
        run(["ip", "netns", "add", name])
        self.ip("link", "set", "lo", "up")

    def ip(self, *arguments: str) -> str:
        """Run ``ip`` on the namespace."""
        return run(["ip", "-n", self.name, *arguments])

    def run(self, *command: str, timeout: float = 120.0) -> str:
        """Run a command inside the namespace; see `e2e.lab.commands.run`."""
        return run(self.inside(command), timeout=timeout)

    def inside(self, command: Sequence[str]) -> list[str]:
        """Return *command* as it is started inside the namespace; ``ip`` becomes that command, same process id."""
        return ["ip", "netns", "exec", self.name, *command]

    def remove(self) -> None:
        """Delete the namespace; one that is gone already is fine."""
        if self.name in existing():
            run(["ip", "netns", "delete", self.name])


def existing() -> set[str]:
    """Return the names of all namespaces of this machine."""
    # Lines read "name" or "name (id: 3)".
    return {line.split()[0] for line in run(["ip", "netns", "list"]).splitlines() if line.strip()}
