"""Somebody else at the switch: an operator with a session of their own.

It looks, changes and locks with the rights of an administrator, so that a test can see what the
driver left alone and can get in its way. It does not use the driver's code, which is under test.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ncclient import manager
from ncclient.transport import session

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
        data: bytes = self._session.get_config("running").data_xml.encode()
        return data

    def edit(self, xml: str) -> None:
        """Merge *xml*, the content of ``<config>``, and commit it."""
        self._session.edit_config(target="candidate", config=CONFIG.format(xml=xml))
        self._session.commit()

    def save(self) -> None:
        """Make the running configuration that of the next start."""
        self._session.copy_config(source="running", target="startup")

    @contextmanager
    def lock(self, datastore: str) -> Iterator[None]:
        """Hold the lock of a datastore while the block runs."""
        with self._session.locked(datastore):
            yield

    def __enter__(self) -> "Somebody":
        return self

    def __exit__(self, *_: object) -> None:
        if self._session.connected:
            self._session.close_session()
