"""What nftables rules are made of: load a field of the frame into a register, compare it, decide.

The registers are sixteen of four bytes each. A field that is looked up together with others takes the next
free ones, as the kernel lays out the key of a set.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from pyroute2.netlink.nfnetlink.nftsocket import Cmp, Meta, Regs

_LINK, _NETWORK, _TRANSPORT = 0, 1, 2
_FIRST_REGISTER = int(Regs.NFT_REG32_00)
_REGISTER_LENGTH = 4

# From linux/netfilter/nf_tables.h.
_LOOKUP_INVERTED = "NFT_LOOKUP_F_INV"
_ACCEPT, _DROP, _JUMP, _GOTO, _RETURN = 1, 0, -3, -4, -5

Value: TypeAlias = int | str | bytes | tuple[str, ...]


class Expression(NamedTuple):
    """One step of a rule: its name, and its attributes by the last part of their netlink names."""

    name: str
    attributes: tuple[tuple[str, Value], ...] = ()


Steps: TypeAlias = tuple[Expression, ...]


class Field(NamedTuple):
    """Where something is in a frame, in bytes from the beginning of a header.

    `extension` is an IPv6 extension header by its number; `meta` is what the kernel knows without the frame.
    """

    base: int = 0
    offset: int = 0
    length: int = 0
    extension: int | None = None
    meta: Meta | None = None


DEVICE = Field(length=16, meta=Meta.NFT_META_IIFNAME)
PROTOCOL = Field(length=2, meta=Meta.NFT_META_PROTOCOL)
L4_PROTOCOL = Field(length=1, meta=Meta.NFT_META_L4PROTO)
DESTINATION_MAC = Field(_LINK, 0, 6)
SOURCE_MAC = Field(_LINK, 6, 6)
ETHER_TYPE = Field(_LINK, 12, 2)
VLAN_TAG = Field(_LINK, 14, 2)
ARP_FORMAT = Field(_NETWORK, 0, 6)
ARP_OPERATION = Field(_NETWORK, 6, 2)
ARP_MAC = Field(_NETWORK, 8, 6)
ARP_IP = Field(_NETWORK, 14, 4)
IPV4_SOURCE = Field(_NETWORK, 12, 4)
IPV6_SOURCE = Field(_NETWORK, 8, 16)
SOURCE_PORT = Field(_TRANSPORT, 0, 2)
DESTINATION_PORT = Field(_TRANSPORT, 2, 2)
ICMPV6_TYPE = Field(_TRANSPORT, 0, 1)
ND_TARGET = Field(_TRANSPORT, 8, 16)
UPPER_HEADER = Field(_TRANSPORT, 0, 8)
FRAGMENT_OFFSET = Field(offset=2, length=2, extension=44)


def equal(field: Field, value: int) -> Steps:
    """Match if the field has the value."""
    return (_load(field), _compare(Cmp.NFT_CMP_EQ, field, value))


def unequal(field: Field, value: int) -> Steps:
    """Match if the field has another value."""
    return (_load(field), _compare(Cmp.NFT_CMP_NEQ, field, value))


def known(field: Field) -> Steps:
    """Match if the kernel could read the field at all."""
    return (_load(field), _compare(Cmp.NFT_CMP_GTE, field, 0))


def masked_equal(field: Field, mask: int, value: int) -> Steps:
    """Match if the field has the value under a mask."""
    return (_load(field), _mask(field, mask), _compare(Cmp.NFT_CMP_EQ, field, value))


def masked_unequal(field: Field, mask: int, value: int) -> Steps:
    """Match if the field has another value under a mask."""
    return (_load(field), _mask(field, mask), _compare(Cmp.NFT_CMP_NEQ, field, value))


def listed(name: str, *fields: Field) -> Steps:
    """Match if the fields together are in a set."""
    return (*_load_all(fields), _lookup(name))


def unlisted(name: str, *fields: Field) -> Steps:
    """Match if the fields together are not in a set."""
    return (*_load_all(fields), _lookup(name, ("FLAGS", (_LOOKUP_INVERTED,))))


def judged_by(name: str, field: Field) -> Steps:
    """Let a map decide by a field."""
    return (_load(field), _lookup(name, ("DREG", int(Regs.NFT_REG_VERDICT))))


def jump(chain: str) -> Steps:
    """Go through another chain and come back."""
    return _verdict(_JUMP, chain)


def goto(chain: str) -> Steps:
    """Leave the rest to another chain."""
    return _verdict(_GOTO, chain)


def _verdict(code: int, chain: str = "") -> Steps:
    return (Expression("immediate", (("VERDICT", code), ("CHAIN", chain))),)


PASS = _verdict(_ACCEPT)
RETURN = _verdict(_RETURN)
DROP = (Expression("counter"), *_verdict(_DROP))


def _load(field: Field, register: int = _FIRST_REGISTER) -> Expression:
    if field.meta is not None:
        return Expression("meta", (("DREG", register), ("KEY", int(field.meta))))
    where = (("OFFSET", field.offset), ("LEN", field.length))
    if field.extension is not None:
        return Expression("exthdr", (("DREG", register), ("TYPE", field.extension), *where))
    return Expression("payload", (("DREG", register), ("BASE", field.base), *where))


def _load_all(fields: tuple[Field, ...]) -> Steps:
    register, loads = _FIRST_REGISTER, []
    for field in fields:
        loads.append(_load(field, register))
        register += -(-field.length // _REGISTER_LENGTH)
    return tuple(loads)


def _compare(operation: Cmp, field: Field, value: int) -> Expression:
    data = value.to_bytes(field.length, "big")
    return Expression("cmp", (("SREG", _FIRST_REGISTER), ("OP", int(operation)), ("DATA", data)))


def _mask(field: Field, mask: int) -> Expression:
    register = (("SREG", _FIRST_REGISTER), ("DREG", _FIRST_REGISTER), ("LEN", field.length))
    bits = (("MASK", mask.to_bytes(field.length, "big")), ("XOR", bytes(field.length)))
    return Expression("bitwise", (*register, *bits))


def _lookup(name: str, *more: tuple[str, Value]) -> Expression:
    return Expression("lookup", (("SET", name), ("SREG", _FIRST_REGISTER), *more))
