"""The SSH side of the fake switch: who gets in, and which connections there are.

Each connection is a paramiko transport with a thread of its own; a session of NETCONF on it runs in
another. A user comes with the key of the folder or with the password.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import paramiko

from support.netconf.speaker import Channel
from support.ports import reserve_port

USER = "admin"
WELCOME: int = paramiko.AUTH_SUCCESSFUL
UNKNOWN: int = paramiko.AUTH_FAILED
OPENED: int = paramiko.OPEN_SUCCEEDED
REFUSED: int = paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


class Doorman:
    """Listens on a port of the loopback, which stays its own while it is closed."""

    def __init__(self, directory: Path, password: str, welcome: Callable[[Channel], None]) -> None:
        """Make the keys; *welcome* speaks with a session until its end."""
        self.user = USER
        self.password = password
        self.user_key = directory / "user_key"
        key = paramiko.ECDSAKey.generate()
        key.write_private_key_file(str(self.user_key))
        self.public_user_key = key.get_base64()
        # Held as long as the switch is, so that of fifty switches no two meet, and none while it is off.
        self._reserved = reserve_port()
        self.port: int = self._reserved.getsockname()[1]
        self.welcome = welcome
        self._host_key = paramiko.ECDSAKey.generate()
        self._transports: list[paramiko.Transport] = []
        self._listener: socket.socket | None = None

    @property
    def host_key(self) -> str:
        """Public host key, as it stands in a list of known hosts."""
        return f"{self._host_key.get_name()} {self._host_key.get_base64()}"

    def change_host_key(self) -> None:
        """Show another host key from now on."""
        self._host_key = paramiko.ECDSAKey.generate()

    def open(self) -> None:
        """Let connections in."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=100)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Let nobody in."""
        if self._listener is not None:
            # Closing alone does not wake the thread that waits.
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        self._listener = None

    def expel_all(self) -> None:
        """Break every connection."""
        while self._transports:
            self._transports.pop().close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(self._host_key)
            transport.set_subsystem_handler("netconf", _Netconf, self.welcome)
            self._transports = [*(one for one in self._transports if one.is_alive() or not one.ident), transport]
            # With an event it does not wait for the client's half of the handshake.
            with suppress(paramiko.SSHException):
                transport.start_server(event=threading.Event(), server=_Checks(self))


class _Netconf(paramiko.SubsystemHandler):  # type: ignore[misc]  # paramiko tells no types
    """Runs a session in a thread of its own, and ends the connection after it."""

    def __init__(
        self,
        channel: paramiko.Channel,
        name: str,
        server: paramiko.ServerInterface,
        welcome: Callable[[Channel], None],
    ) -> None:
        super().__init__(channel, name, server)
        self._welcome = welcome

    def start_subsystem(self, name: str, transport: paramiko.Transport, channel: paramiko.Channel) -> None:
        try:
            self._welcome(channel)
        finally:
            transport.close()


class _Checks(paramiko.ServerInterface):  # type: ignore[misc]
    """Who gets in."""

    def __init__(self, doorman: Doorman) -> None:
        self._doorman = doorman

    def get_allowed_auths(self, username: str) -> str:
        return "password,publickey"

    def check_auth_password(self, username: str, password: str) -> int:
        return _verdict((username, password) == (self._doorman.user, self._doorman.password))

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return _verdict(username == self._doorman.user and key.get_base64() == self._doorman.public_user_key)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPENED if kind == "session" else REFUSED


def _verdict(is_welcome: bool) -> int:
    return WELCOME if is_welcome else UNKNOWN
