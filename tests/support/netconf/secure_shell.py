"""An sshd of a test's own: its keys, its port, one subsystem, and nothing of the system's.

Whoever has the key of the folder gets in, as the user that runs the test. The server listens on the
loopback alone, and reads no file of the system's sshd.
"""

import getpass
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from support.processes import Process, logs

PROGRAM = Path("/usr/sbin/sshd")
PRIVILEGE_SEPARATION = Path("/run/sshd")  # Compiled in; sshd refuses to start as root without the folder.
CONFIGURATION = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {directory}/host_key
AuthorizedKeysFile {directory}/user_key.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
Subsystem netconf {subsystem}
"""


class SecureShell:
    """A private sshd with the subsystem ``netconf``."""

    def __init__(self, directory: Path, port: int, subsystem: str, environment: Mapping[str, str]) -> None:
        """Describe it; *directory* exists, *subsystem* is a command."""
        self.port = port
        self.user = getpass.getuser()
        self.user_key = directory / "user_key"
        self._host_key = directory / "host_key"
        for key in (self.user_key, self._host_key):
            if not key.exists():
                subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        configuration = directory / "sshd_config"
        configuration.write_text(CONFIGURATION.format(port=port, directory=directory, subsystem=subsystem))
        command = [str(PROGRAM), "-D", "-e", "-f", str(configuration)]
        log = directory / "sshd.log"
        self._process = Process("sshd", command, log=log, ready=logs("Server listening on"), environment=environment)

    @property
    def host_key(self) -> str:
        """Public host key, ``ssh-ed25519 AAAA…``, as it stands in a list of known hosts."""
        return " ".join(self._host_key.with_suffix(".pub").read_text().split()[:2])

    def start(self) -> None:
        """Start listening."""
        PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
        self._process.start()

    def stop(self) -> None:
        """Stop listening, and end the sessions."""
        if self._process.alive:
            self.cut()
        self._process.stop()

    def cut(self) -> None:
        """End every session at once, as a pulled cable would, but noticed."""
        for pid in reversed(list(_descendants(self._process.pid))):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def _descendants(pid: int) -> Iterator[int]:
    """Return the processes that *pid* started, and those that they started, parents first."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return
    for child in map(int, children):
        yield child
        yield from _descendants(child)
