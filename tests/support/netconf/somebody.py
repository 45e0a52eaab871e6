"""Somebody else at the switch: an operator with a session of their own.

It looks, changes and locks with the rights of an administrator, so that a test can see what the
driver left alone and can get in its way. It does not use the driver's code, which is under test.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ncclient import manager
from ncclient.transport import TransportError, session

CONFIG = '<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">{xml}</config>'
# ncclient looks for something to send this often, in seconds: every request would take 0.1 s.
session.TICK = 0.005


class Somebody:
    """An open session; a context manager."""

    def __init__(self, port: int, user: str, key_file: Path) -> None:
        """Connect to the switch at a port of the loopback."""
        self._session: Any = manager.connect(
            host="127.0.0.1",
            port=port,
            username=user,
            key_filename=str(key_file),
            hostkey_verify=False,
            allow_agent=False,
            look_for_keys=False,
            timeout=60,
        )

    @property
    def session_id(self) -> str:
        """Number of the session, as the holder of a lock is called."""
        return str(self._session.session_id)

    def running(self) -> bytes:
        """Return the running configuration, without the envelope of the reply."""
        data: bytes = self.ask("get_config", source="running").data_xml.encode()
        return data

    def edit(self, xml: str) -> None:
        """Merge *xml*, the content of ``<config>``, and commit it."""
        self.ask("edit_config", target="candidate", config=self.config(xml))
        self.ask("commit")

    def config(self, xml: str) -> str:
        """Return *xml* as the argument of an edit."""
        return CONFIG.format(xml=xml)

    def ask(self, operation: str, **arguments: Any) -> Any:
        """Make a request that ncclient knows by this name, and return its answer.

        Raises:
            TransportError: The connection is gone; ncclient may have noticed it while it wrote, or while it read.
        """
        try:
            return getattr(self._session, operation)(**arguments)
        except (OSError, EOFError) as error:
            raise TransportError(str(error)) from error

    def ask_later(self, operation: str, **arguments: Any) -> Any:
        """Make a request without waiting; what is returned has an ``event`` and then a ``reply``."""
        self._session.async_mode = True
        return self.ask(operation, **arguments)

    def wait_for_news(self, give_up: Callable[[], bool], *, timeout: float) -> None:
        """Return when a notification has come, *give_up* says so, or after *timeout* seconds.

        Raises:
            NCClientError: The connection is gone.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and not give_up():
            if self._session.take_notification(timeout=0.1) is not None:
                return
            if not self._session.connected:
                raise TransportError("the connection is gone")

    @contextmanager
    def lock(self, datastore: str) -> Iterator[None]:
        """Hold the lock of a datastore while the block runs."""
        with self._session.locked(datastore):
            yield

    def __enter__(self) -> "Somebody":
        return self

    def __exit__(self, *_: object) -> None:
        self._session.async_mode = False
        if self._session.connected:
            self._session.close_session()
