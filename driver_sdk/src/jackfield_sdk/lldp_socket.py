"""A raw socket that hears the LLDP frames of one interface, and nothing else.

It takes frames before a bridge, a bond or Open vSwitch takes them off the interface, which is why it
asks for all protocols and has the kernel filter (classic BPF): a socket for LLDP alone would hear
nothing on an uplink of Open vSwitch. What the host itself sends is not copied to it at all, because
an uplink that carries guests is busy, and because a guest's frame is no neighbour.
"""

from __future__ import annotations

import ctypes
import socket
import struct

from jackfield_sdk.lldp import ETHERTYPE, NEAREST_BRIDGE

_ETH_P_ALL = 0x0003
# <linux/if_packet.h>, <asm/socket.h>: Python has no names for these.
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP, _PACKET_IGNORE_OUTGOING = 1, 23
_PACKET_MR_MULTICAST = 0
_SO_ATTACH_FILTER = 26
# <linux/bpf_common.h>: load a word or half word at an offset, compare and jump, return.
_LOAD_WORD, _LOAD_HALF, _JUMP_EQUAL, _RETURN = 0x20, 0x28, 0x15, 0x06

LONGEST_FRAME = 9216


def open_socket(interface: str) -> socket.socket:
    """Return a socket that hears LLDP on an interface; OSError if there is none, or we may not."""
    # Protocol 0: nothing arrives before the filter is there.
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        raw.setblocking(False)
        _attach_filter(raw)
        raw.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        raw.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, _membership(interface))
        raw.bind((interface, _ETH_P_ALL))
    except OSError:
        raw.close()
        raise
    return raw


def _membership(interface: str) -> bytes:
    """Return a `struct packet_mreq`: have the card take frames for this address, too."""
    index = socket.if_nametoindex(interface)
    return struct.pack("iHH8s", index, _PACKET_MR_MULTICAST, len(NEAREST_BRIDGE), NEAREST_BRIDGE)


def _attach_filter(raw: socket.socket) -> None:
    high, low = struct.unpack("!IH", NEAREST_BRIDGE)
    checks = [(_LOAD_HALF, 12, ETHERTYPE), (_LOAD_WORD, 0, high), (_LOAD_HALF, 4, low)]
    program = b""
    for number, (load, offset, wanted) in enumerate(checks):
        # From each comparison that fails, jump over what follows and the good end.
        left = 2 * (len(checks) - number) - 1
        program += _instruction(load, offset) + _instruction(_JUMP_EQUAL, wanted, otherwise=left)
    program += _instruction(_RETURN, LONGEST_FRAME) + _instruction(_RETURN, 0)
    buffer = ctypes.create_string_buffer(program, len(program))
    raw.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program) // 8, ctypes.addressof(buffer)))


def _instruction(code: int, operand: int, *, otherwise: int = 0) -> bytes:
    """Return a `struct sock_filter`; `otherwise` instructions are skipped if a comparison fails."""
    return struct.pack("HBBI", code, 0, otherwise, operand)
