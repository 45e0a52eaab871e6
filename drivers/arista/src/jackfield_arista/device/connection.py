"""From an address to a NETCONF session: the socket, the host key, the login, the hello.

Each step fails in its own words. Nobody answers at the address; somebody answers and is no SSH server;
it shows a key that we do not know, or another one than we know; it refuses the login. The key is judged
before anything is said of who we are. Agents and keys of the user who runs the driver are left out of
it: who logs in is what the inventory says.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass

import paramiko
from ncclient import NCClientError
from ncclient.manager import Manager, make_device_handler
from ncclient.transport import SSHSession
from ncclient.transport.errors import AuthenticationError, SSHUnknownHostError

from jackfield_arista.device.errors import (
    AuthenticationFailed,
    HostKeyChanged,
    HostKeyUnknown,
    SwitchError,
    Unreachable,
)
from jackfield_arista.device.trust import KnownKeys, Trust, fingerprint
from jackfield_arista.inventory.credentials import Credentials

# The library tells what fails in its own words and traces, and what is sent. We have errors for the one,
# and nobody asked for the other; a process without handlers of its own would print it.
_SAID_IN_ERRORS = logging.NullHandler()
# A greeting of SSH is one line, and no longer than this (RFC 4253, 4.2).
_GREETING = 255


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: until somebody answers at the address, and for the reply to one request."""

    connect: float = 5.0
    reply: float = 30.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a switch is, and what the inventory calls it."""

    switch: str
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address} port {self.port}"


def open_session(
    endpoint: Endpoint, credentials: Credentials, trust: Trust, timeouts: Timeouts
) -> tuple[Manager, SSHSession]:
    """Return what makes requests, and the session below.

    Unreachable, HostKeyUnknown, HostKeyChanged or AuthenticationFailed if there is none.
    """
    logging.getLogger("ncclient").addHandler(_SAID_IN_ERRORS)
    keys = trust.keys(endpoint.switch, endpoint.address, endpoint.port)
    handler = make_device_handler({"name": "default"})
    session = _VerifiedSession(handler, keys, credentials)
    connection = dial(endpoint, timeouts.connect)
    try:
        with _broken_after(connection, timeouts.connect + timeouts.reply):
            session.connect(
                host=endpoint.address,
                port=endpoint.port,
                username=credentials.username,
                sock=connection,
                hostkey_verify=not trust.anyone,
                timeout=timeouts.reply,
            )
    except (NCClientError, paramiko.SSHException, OSError, EOFError) as error:
        reason = _reason(endpoint, error, session, keys)
        session.give_up()
        raise reason from error
    return Manager(session, handler, timeout=timeouts.reply), session


def dial(endpoint: Endpoint, timeout: float) -> socket.socket:
    """Return a connection at whose other end an SSH server has begun to speak. Unreachable if there is none."""
    try:
        connection = socket.create_connection((endpoint.address, endpoint.port), timeout)
    except OSError as error:
        why = error.strerror or str(error)
        raise Unreachable(endpoint.switch, f"no connection to {endpoint}: {why}") from error
    try:
        # A host that hangs still has a kernel that accepts connections.
        spoke = connection.recv(4, socket.MSG_PEEK)
    except OSError as error:
        connection.close()
        raise Unreachable(endpoint.switch, f"{endpoint} accepts connections and says nothing") from error
    if spoke != b"SSH-"[: len(spoke)] or not spoke:
        connection.close()
        raise Unreachable(endpoint.switch, f"at {endpoint} there is no SSH server")
    return connection


@contextmanager
def _broken_after(connection: socket.socket, seconds: float) -> Iterator[None]:
    """Break a connection that has become no session in time: of a channel that is never opened SSH waits an hour."""
    watchdog = threading.Timer(seconds, _break, [connection])
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


def _break(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def knock(endpoint: Endpoint, timeout: float) -> None:
    """See that the switch takes new connections. Unreachable if it does not."""
    with closing(dial(endpoint, timeout)) as connection:
        # What was said is taken, so that the connection ends as one does, and not with a reset.
        connection.recv(_GREETING)


class _VerifiedSession(SSHSession):  # type: ignore[misc]
    """A session that knows the keys of one switch, and logs in with what it was given and nothing else."""

    def __init__(self, handler: object, keys: KnownKeys, credentials: Credentials) -> None:
        super().__init__(handler)
        self._host_keys = keys
        self._credentials = credentials
        self.login = credentials.username

    def load_known_hosts(self, filename: str | None = None) -> None:
        """Leave the user's own known hosts out."""

    def shown_key(self) -> paramiko.PKey | None:
        """Return the key that the server has shown."""
        try:
            return self.transport.get_remote_server_key() if self.transport is not None else None
        except paramiko.SSHException:
            return None

    def give_up(self) -> None:
        """End a connection that has become no session."""
        if self.transport is not None:
            self.transport.close()

    def _auth(self, username: str, *_others: object) -> None:
        """Log in with the key, then with the password. AuthenticationError if the server takes neither."""
        refused: Exception | None = None
        for attempt in self._attempts(username):
            try:
                attempt()
            except (paramiko.AuthenticationException, OSError, ValueError, paramiko.PasswordRequiredException) as error:
                if not self.transport.is_active():
                    raise paramiko.SSHException("the connection ended during the login") from error
                refused = error
            else:
                return
        raise AuthenticationError(_why(refused)) from refused

    def _attempts(self, username: str) -> Iterator[Callable[[], object]]:
        ours = self._credentials
        if ours.key_file is not None:
            yield lambda: self.transport.auth_publickey(username, _private_key(ours))
        if ours.password is not None:
            yield lambda: self.transport.auth_password(username, ours.password)


def _private_key(credentials: Credentials) -> paramiko.PKey:
    passphrase = credentials.passphrase.encode() if credentials.passphrase is not None else None
    try:
        return paramiko.PKey.from_path(credentials.key_file, passphrase)
    except (paramiko.SSHException, paramiko.UnknownKeyType, ValueError, TypeError) as error:
        # What the libraries say of a key may quote it.
        raise ValueError("it is no private key that the passphrase opens") from error


def _why(refused: Exception | None) -> str:
    """Return in our words why a login failed; those of the libraries may hold what was tried."""
    if isinstance(refused, OSError):
        return refused.strerror or "the key file cannot be read"
    return str(refused) if type(refused) is ValueError else "the switch takes neither key nor password"


def _reason(endpoint: Endpoint, error: Exception, session: _VerifiedSession, keys: KnownKeys) -> SwitchError:
    """Return what an operator has to know of an attempt that failed."""
    if isinstance(error, SSHUnknownHostError):
        return _wrong_key(endpoint, session, keys)
    if isinstance(error, AuthenticationError):
        return AuthenticationFailed(endpoint.switch, f'refuses the login of "{session.login}" at {endpoint}: {error}')
    if keys and "host key" in str(error):
        fact = f"{endpoint} shows no host key of the kind that is known of it"
        return HostKeyChanged(endpoint.switch, fact)
    return Unreachable(endpoint.switch, f"{endpoint} answers, and no NETCONF session begins ({type(error).__name__})")


def _wrong_key(endpoint: Endpoint, session: _VerifiedSession, keys: KnownKeys) -> SwitchError:
    key = session.shown_key()
    shown = fingerprint(key) if key is not None else "a host key"
    if keys:
        fact = f"{endpoint} shows {shown}, which is not the key that is known of it"
        return HostKeyChanged(endpoint.switch, fact)
    fact = f"{endpoint} shows {shown}, and neither the inventory nor the known hosts say which key it has"
    return HostKeyUnknown(endpoint.switch, fact)
