"""A tripwire: an OpenFlow session that breaks when ovs-vswitchd goes.

ovs-vswitchd forgets all flows when it restarts, and nothing in the OVSDB shows it. So the agent
holds one idle session to each bridge. It says hello (OpenFlow 1.3, 7.1), answers the switch's
echo requests, and reads nothing else. When it breaks the flows are in doubt, and when it stands
again they are to be compared.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import Callable

from jackfield_ovs.settings import OvsSettings

_HEADER = struct.Struct("!BBHI")
_VERSION = 4
_HELLO, _ECHO_REQUEST, _ECHO_REPLY = 0, 2, 3

# Seconds between attempts to reach a bridge that is not there.
_PAUSE = 0.2


async def watch(address: str, tls: ssl.SSLContext | None, on_change: Callable[[], None]) -> None:
    """Hold a session to the bridge at `address` for ever; `on_change` when it breaks or stands."""
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, struct.error):
            await _session(address, tls, on_change)
        await asyncio.sleep(_PAUSE)


async def _session(address: str, tls: ssl.SSLContext | None, on_change: Callable[[], None]) -> None:
    reader, writer = await _connect(address, tls)
    try:
        writer.write(_HEADER.pack(_VERSION, _HELLO, _HEADER.size, 1))
        await _header(reader)
        on_change()
        await _answer_echoes(reader, writer)
    finally:
        on_change()
        writer.close()


async def _answer_echoes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        kind, xid, body = await _header(reader)
        if kind == _ECHO_REQUEST:
            writer.write(_HEADER.pack(_VERSION, _ECHO_REPLY, _HEADER.size + len(body), xid) + body)
            await writer.drain()


async def _header(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    """Read one message: its type, its number and its body."""
    _, kind, length, xid = _HEADER.unpack(await reader.readexactly(_HEADER.size))
    return kind, xid, await reader.readexactly(length - _HEADER.size)


async def _connect(address: str, tls: ssl.SSLContext | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    scheme, _, rest = address.partition(":")
    if scheme == "unix":
        return await asyncio.open_unix_connection(rest)
    host, _, port = rest.rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port), ssl=tls)


def tls_context(settings: OvsSettings) -> ssl.SSLContext | None:
    """Return what an `ssl:` session needs, None if none is used.

    Switches are known by the authority that signed them; their certificates name no host.
    """
    if not settings.openflow.startswith("ssl:"):
        return None
    key, certificate, authority = settings.tls_files
    context = ssl.create_default_context(cafile=authority)
    context.check_hostname = False
    context.load_cert_chain(str(certificate), str(key))
    return context
