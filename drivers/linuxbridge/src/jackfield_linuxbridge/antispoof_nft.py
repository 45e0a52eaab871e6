"""Speak nftables, bridge family: one transaction in, one look out.

A transaction is atomic: frames see all of it or nothing. The kernel counts the transactions of a network
namespace, whoever makes them; a count that has not moved proves that what is remembered is still true.

pyroute2 brings the messages and the socket; what is said here is what it leaves open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Self

from pyroute2.netlink import NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST, nla
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_NFTABLES, nfgen_msg, nftsocket

from jackfield_linuxbridge.antispoof_elements import IPV4, IPV6, MACS, PORTS, Element
from jackfield_linuxbridge.antispoof_expressions import Expression
from jackfield_linuxbridge.antispoof_rules import CHAINS, INPUT, PREROUTING, Rule

# What opens and closes a transaction (linux/netfilter/nfnetlink.h).
_BEGIN, _END = 0x10, 0x11

# Where the bridge calls (linux/netfilter_bridge.h), and how early: before filters of others, as `filter` in nft.
_HOOKS = {PREROUTING: 0, INPUT: 1}
_PRIORITY = -200

# What is made may be there already, and a rule goes behind the others.
_DELETE = NLM_F_REQUEST | NLM_F_ACK
_MAKE = _DELETE | NLM_F_CREATE | NLM_F_APPEND

# A netlink attribute counts its bytes with 16 bits; an element takes about a hundred.
_ELEMENTS_IN_A_MESSAGE = 256

# The type of a map's values that are verdicts (NFT_DATA_VERDICT), and one of them.
_VERDICTS = 0xFFFFFF00
_GOTO = -4

# nft prints names of devices right if it is told that they are in the host's byte order, not the network's.
_HOST_ORDER = [("NFTNL_UDATA_SET_KEYBYTEORDER", b"\x01\0\0\0")]

_NAME, _MAC = (nftsocket.DATA_TYPE_IFNAME, 16), (nftsocket.DATA_TYPE_ETHERADDR, 6)
_SETS: Mapping[str, tuple[tuple[int, int], ...]] = {
    PORTS: (_NAME,),
    MACS: (_NAME, _MAC),
    IPV4: (_NAME, _MAC, (nftsocket.DATA_TYPE_IPADDR, 4)),
    IPV6: (_NAME, _MAC, (nftsocket.DATA_TYPE_IP6ADDR, 16)),
}

# nft tells the types of a concatenated key by six bits each.
_TYPE_BITS = 6


class Transaction:
    """What is to change in one table, in order."""

    def __init__(self, table: str) -> None:
        self.messages: list[nfgen_msg] = []
        self._table = table

    def make_table(self, comment: str) -> Self:
        """Make the table, its sets and its chains; what is there already stays."""
        self._make(nftsocket.nft_table_msg, nftsocket.NFT_MSG_NEWTABLE, NAME=self._table, USERDATA=comment)
        for number, (name, fields) in enumerate(_SETS.items(), start=1):
            self._make(_SetMessage, nftsocket.NFT_MSG_NEWSET, TABLE=self._table, **_set(name, number, fields))
        for chain in CHAINS:
            hook = _hook(_HOOKS[chain]) if chain in _HOOKS else {}
            self._make(nftsocket.nft_chain_msg, nftsocket.NFT_MSG_NEWCHAIN, TABLE=self._table, NAME=chain, **hook)
        return self

    def replace_rules(self) -> Self:
        """Empty all chains of the table and fill ours."""
        self._queue(nftsocket.nft_rule_msg, nftsocket.NFT_MSG_DELRULE, _DELETE, TABLE=self._table)
        for chain, rules in CHAINS.items():
            for rule in rules:
                self._add_rule(chain, rule)
        return self

    def delete(self, elements: Iterable[Element]) -> Self:
        """Take elements out of their sets."""
        return self._elements(nftsocket.NFT_MSG_DELSETELEM, _DELETE, elements)

    def add(self, elements: Iterable[Element]) -> Self:
        """Put elements into their sets."""
        return self._elements(nftsocket.NFT_MSG_NEWSETELEM, _MAKE, elements)

    def _add_rule(self, chain: str, rule: Rule) -> None:
        expressions = [_expression(step) for step in rule.steps]
        self._make(
            nftsocket.nft_rule_msg,
            nftsocket.NFT_MSG_NEWRULE,
            TABLE=self._table,
            CHAIN=chain,
            EXPRESSIONS=expressions,
            USERDATA=rule.comment,
        )

    def _elements(self, kind: int, flags: int, elements: Iterable[Element]) -> Self:
        by_set: dict[str, list[Element]] = {}
        for element in sorted(elements):
            by_set.setdefault(element.set, []).append(element)
        for name, found in by_set.items():
            rest = iter(found)
            while some := [_element(element) for element in islice(rest, _ELEMENTS_IN_A_MESSAGE)]:
                self._queue(nftsocket.nft_set_elem_list_msg, kind, flags, TABLE=self._table, SET=name, ELEMENTS=some)
        return self

    def _make(self, message: type[nfgen_msg], kind: int, **attributes: Any) -> None:
        self._queue(message, kind, _MAKE, **attributes)

    def _queue(self, message: type[nfgen_msg], kind: int, flags: int, **attributes: Any) -> None:
        self.messages.append(_message(message, kind, flags, attributes))


class Nftables:
    """A socket to the nftables of this network namespace; a context manager. NetlinkError if the kernel says no."""

    def __init__(self) -> None:
        self._socket = nftsocket.NFTSocket(nfgen_family=nftsocket.NFPROTO_BRIDGE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def generation(self) -> int:
        """Return how many transactions there were in this namespace."""
        answer = self._socket.request_get(nfgen_msg(), nftsocket.NFT_MSG_GETGEN, NLM_F_REQUEST)
        return int(answer[0].get_attr("NFTA_GEN_ID"))

    def comment(self, table: str) -> str | None:
        """Return the comment of a table, empty without one; None if there is no such table."""
        for seen in self._socket.request_get(nfgen_msg(), nftsocket.NFT_MSG_GETTABLE):
            if seen.get_attr("NFTA_TABLE_NAME") == table:
                return seen.get_attr("NFTA_TABLE_USERDATA") or ""
        return None

    def rule_comments(self, table: str) -> dict[str, list[str]]:
        """Return the comments of a table's rules by chain."""
        comments: dict[str, list[str]] = {}
        for rule in self._dump(nftsocket.nft_rule_msg, nftsocket.NFT_MSG_GETRULE, TABLE=table):
            comment = rule.get_attr("NFTA_RULE_USERDATA") or ""
            comments.setdefault(rule.get_attr("NFTA_RULE_CHAIN"), []).append(comment)
        return comments

    def elements(self, table: str) -> Iterator[Element]:
        """Yield the elements of our sets."""
        for name in _SETS:
            for part in self._dump(
                nftsocket.nft_set_elem_list_msg, nftsocket.NFT_MSG_GETSETELEM, TABLE=table, SET=name
            ):
                for found in part.get_attr("NFTA_SET_ELEM_LIST_ELEMENTS") or ():
                    yield _seen(name, found)

    def commit(self, transaction: Transaction) -> None:
        """Do all of it or nothing."""
        self._socket.nlm_request_batch([_bracket(_BEGIN), *transaction.messages, _bracket(_END)])

    def _dump(self, message: type[nfgen_msg], kind: int, **attributes: str) -> Sequence[Any]:
        dumped: Sequence[Any] = self._socket.request_get(_message(message, kind, 0, attributes), kind)
        return dumped


class _SetMessage(nftsocket.nft_set_msg):  # type: ignore[misc]
    """pyroute2 nests the fields of a concatenated key one level deeper than the kernel reads them."""

    class set_desc(nla):  # type: ignore[misc]  # noqa: N801
        nla_map = (("NFTA_SET_DESC_UNSPEC", "none"), ("NFTA_SET_DESC_SIZE", "be32"), ("NFTA_SET_DESC_CONCAT", "*field"))

        class field(nla):  # type: ignore[misc]  # noqa: N801
            header_type = 1
            nla_map = (("NFTA_LIST_UNSPEC", "none"), ("NFTA_SET_FIELD_LEN", "be32"))


def _bracket(kind: int) -> nfgen_msg:
    message = nfgen_msg()
    message["res_id"] = NFNL_SUBSYS_NFTABLES
    message["header"]["type"] = kind
    message["header"]["flags"] = NLM_F_REQUEST
    return message


def _message(message: type[nfgen_msg], kind: int, flags: int, attributes: Mapping[str, Any]) -> nfgen_msg:
    made = message()
    made["nfgen_family"] = nftsocket.NFPROTO_BRIDGE
    made["header"]["type"] = NFNL_SUBSYS_NFTABLES << 8 | kind
    made["header"]["flags"] = flags
    made["attrs"] = [(message.name2nla(name), value) for name, value in attributes.items()]
    return made


def _hook(number: int) -> dict[str, Any]:
    where = [("NFTA_HOOK_HOOKNUM", number), ("NFTA_HOOK_PRIORITY", _PRIORITY)]
    return {"HOOK": {"attrs": where}, "TYPE": "filter"}


def _set(name: str, number: int, fields: tuple[tuple[int, int], ...]) -> dict[str, Any]:
    key_type = 0
    for type_id, _ in fields:
        key_type = key_type << _TYPE_BITS | type_id
    # The kernel counts keys in registers of four bytes.
    length = sum(-(-length // 4) * 4 for _, length in fields)
    made = {"NAME": name, "ID": number, "KEY_TYPE": key_type, "KEY_LEN": length, "USERDATA": _HOST_ORDER}
    if name == PORTS:
        return made | {"FLAGS": {"NFT_SET_MAP"}, "DATA_TYPE": _VERDICTS, "DATA_LEN": 0}
    if name == MACS:
        return made | {"FLAGS": set()}
    lengths = [{"attrs": [("NFTA_SET_FIELD_LEN", length)]} for _, length in fields]
    ranges = {"NFT_SET_INTERVAL", "NFT_SET_CONCAT"}
    return made | {"FLAGS": ranges, "DESC": {"attrs": [("NFTA_SET_DESC_CONCAT", lengths)]}}


def _element(element: Element) -> dict[str, Any]:
    attributes: list[tuple[str, Any]] = [("NFTA_SET_ELEM_KEY", _data(element.key))]
    if element.end:
        attributes.append(("NFTA_SET_ELEM_KEY_END", _data(element.end)))
    if element.chain:
        attributes.append(("NFTA_SET_ELEM_DATA", _verdict(_GOTO, element.chain)))
    return {"attrs": attributes}


def _seen(name: str, found: Any) -> Element:
    key = found.get_attr("NFTA_SET_ELEM_KEY").get_attr("NFTA_DATA_VALUE")
    end = found.get_attr("NFTA_SET_ELEM_KEY_END")
    data = found.get_attr("NFTA_SET_ELEM_DATA")
    verdict = data.get_attr("NFTA_DATA_VERDICT") if data is not None else None
    chain = (verdict.get_attr("NFTA_VERDICT_CHAIN") or "-") if verdict is not None else ""
    return Element(name, key, end.get_attr("NFTA_DATA_VALUE") if end is not None else b"", chain)


def _expression(step: Expression) -> dict[str, Any]:
    made: dict[str, Any] = dict(step.attributes)
    if "VERDICT" in made:
        made = {"DREG": 0, "DATA": _verdict(made["VERDICT"], made["CHAIN"])}
    attributes = [(f"NFTA_{step.name.upper()}_{key}", _wrapped(value)) for key, value in made.items()]
    return {"attrs": [("NFTA_EXPR_NAME", step.name), ("NFTA_EXPR_DATA", {"attrs": attributes})]}


def _wrapped(value: Any) -> Any:
    return _data(value) if isinstance(value, bytes) else value


def _data(value: bytes) -> dict[str, Any]:
    return {"attrs": [("NFTA_DATA_VALUE", value)]}


def _verdict(code: Any, chain: Any) -> dict[str, Any]:
    attributes = [("NFTA_VERDICT_CODE", code)]
    if chain:
        attributes.append(("NFTA_VERDICT_CHAIN", chain))
    return {"attrs": [("NFTA_DATA_VERDICT", {"attrs": attributes})]}
