"""One session at the fake switch: greets, reads requests, does them, answers.

The requests are those of RFC 6241 that a driver of switches makes, and the edit with which Arista's
EOS runs commands of its command line.
"""

import threading
from collections.abc import Callable
from typing import Protocol

from lxml import etree

from support.netconf.datastores import Datastores
from support.netconf.editing import BASE, local_name
from support.netconf.faults import Fault, Faults, Kind
from support.netconf.filtering import chosen
from support.netconf.framing import Framing
from support.netconf.refusals import Refused, RpcError

CAPABILITIES = (
    "urn:ietf:params:netconf:base:1.0",
    "urn:ietf:params:netconf:base:1.1",
    "urn:ietf:params:netconf:capability:candidate:1.0",
    "urn:ietf:params:netconf:capability:writable-running:1.0",
    "urn:ietf:params:netconf:capability:confirmed-commit:1.1",
    "urn:ietf:params:netconf:capability:validate:1.1",
    "urn:ietf:params:netconf:capability:rollback-on-error:1.0",
    "urn:ietf:params:netconf:capability:startup:1.0",
)
HELLO = '<hello xmlns="{base}"><capabilities>{capabilities}</capabilities><session-id>{session}</session-id></hello>'
REPLY = '<rpc-reply xmlns="{base}" message-id="{id}">{content}</rpc-reply>'
CONFIRM_TIMEOUT = 600.0  # Seconds, if the request names none: RFC 6241, section 8.4.5.
COMMANDS = "{http://arista.com/yang/cli}commands"  # In the <config> of an edit: the command line of EOS.
SAVING_COMMANDS = ("write", "write memory", "copy running-config startup-config")


class Switch(Protocol):
    """What a session needs of its switch."""

    datastores: Datastores
    faults: Faults
    capabilities: tuple[str, ...]
    is_awake: threading.Event
    """Cleared while the switch answers nobody."""

    def state(self) -> etree._Element:
        """Return configuration and operational state."""

    def heard(self, operation: str, request: etree._Element) -> None:
        """Take note of a request."""

    def expel(self, session: int) -> None:
        """End another session."""


class Channel(Protocol):
    """The part of a connection that a session uses."""

    closed: bool
    eof_received: bool

    def recv(self, nbytes: int) -> bytes: ...

    def sendall(self, s: bytes) -> None: ...


class Cut(Exception):
    """The connection is to be broken now."""


class Speaker:
    """A session, from its greeting to its end."""

    def __init__(self, number: int, channel: Channel, switch: Switch) -> None:
        self.number = number
        self._channel = channel
        self._switch = switch
        self._framing = Framing(channel.recv)
        self._is_over = threading.Event()

    def serve(self) -> None:
        """Answer until the other side has had enough, or a fault ends it."""
        try:
            if self._greet():
                while not self._is_over.is_set() and (message := self._framing.read()) is not None:
                    self._answer(message)
        except (Cut, OSError, EOFError):
            pass
        finally:
            self._is_over.set()
            self._switch.datastores.end(self.number)

    def hang_up(self) -> None:
        """End the wait of a request that is never answered."""
        self._is_over.set()

    def _greet(self) -> bool:
        capabilities = "".join(f"<capability>{name}</capability>" for name in self._switch.capabilities)
        hello = HELLO.format(base=BASE, capabilities=capabilities, session=self.number)
        self._channel.sendall(self._framing.wrap(hello.encode()))
        theirs = self._framing.read()
        in_chunks = "urn:ietf:params:netconf:base:1.1"
        self._framing.in_chunks = theirs is not None and in_chunks.encode() in theirs and in_chunks in hello
        return theirs is not None

    def _answer(self, message: bytes) -> None:
        rpc = etree.fromstring(message.strip())
        request = rpc[0]
        operation = self._operation(request)
        self._switch.heard(operation, request)
        while not self._switch.is_awake.wait(0.05) and not self._is_over.is_set():
            continue
        fault = self._switch.faults.next(operation)
        content = self._carry_out(operation, request, fault)
        self._is_over.wait(self._switch.faults.delay)
        if fault is not None and fault.kind is Kind.CUT_AFTER:
            raise Cut
        reply = REPLY.format(base=BASE, id=rpc.get("message-id"), content=content)
        self._channel.sendall(self._framing.wrap(reply.encode()))
        if operation == "close-session":
            raise Cut

    def _operation(self, request: etree._Element) -> str:
        name = local_name(request)
        if name == "commit" and _child(request, "confirmed") is None and self._switch.datastores.is_on_trial:
            return "confirm"
        return name

    def _carry_out(self, operation: str, request: etree._Element, fault: Fault | None) -> str:
        match fault:
            case Fault(Kind.REFUSED, errors):
                return "".join(error.xml() for error in errors)
            case Fault(Kind.CUT_BEFORE):
                raise Cut
            case Fault(Kind.UNANSWERED):
                # A client that hangs up takes its session along, whatever hangs here.
                while not (self._is_over.wait(0.05) or self._channel.closed or self._channel.eof_received):
                    continue
                raise Cut
            case Fault(Kind.IGNORED):
                return "<ok/>"
        action = self._actions().get(local_name(request))
        try:
            if action is None:
                raise Refused(RpcError("operation-not-supported", f"nobody here does {operation}", type="protocol"))
            return action(request) or "<ok/>"
        except Refused as refused:
            return "".join(error.xml() for error in refused.errors)

    def _actions(self) -> dict[str, Callable[[etree._Element], str | None]]:
        stores = self._switch.datastores
        return {
            "get": lambda request: _data(self._switch.state(), request),
            "get-config": lambda request: _data(stores.tree(_datastore(request, "source")), request),
            "lock": lambda request: stores.lock(_datastore(request, "target"), self.number),
            "unlock": lambda request: stores.unlock(_datastore(request, "target"), self.number),
            "edit-config": self._edit,
            "validate": lambda request: None,  # An edit that makes no sense is refused at once.
            "copy-config": lambda request: stores.copy(
                _datastore(request, "source"), _datastore(request, "target"), self.number
            ),
            "discard-changes": lambda request: stores.discard(self.number),
            "commit": self._commit,
            "cancel-commit": lambda request: stores.cancel(self.number, _text(request, "persist-id")),
            "close-session": lambda request: None,
            "kill-session": lambda request: self._switch.expel(int(_text(request, "session-id") or 0)),
        }

    def _edit(self, request: etree._Element) -> None:
        config = _child(request, "config")
        if config is None:
            raise Refused(RpcError("missing-element", "no config", type="protocol"))
        if (commands := config.find(COMMANDS)) is not None:
            return self._command(commands)
        default_operation = _text(request, "default-operation") or "merge"
        return self._switch.datastores.edit(_datastore(request, "target"), config, default_operation, self.number)

    def _commit(self, request: etree._Element) -> None:
        on_trial = None
        if _child(request, "confirmed") is not None:
            on_trial = float(_text(request, "confirm-timeout") or CONFIRM_TIMEOUT)
        persist, persist_id = _text(request, "persist"), _text(request, "persist-id")
        self._switch.datastores.commit(self.number, on_trial=on_trial, persist=persist, persist_id=persist_id)

    def _command(self, commands: etree._Element) -> None:
        for command in commands:
            if (command.text or "").strip() not in SAVING_COMMANDS:
                raise Refused(RpcError("invalid-value", f"no such command: {command.text}"))
            self._switch.datastores.copy("running", "startup", self.number)


def _child(request: etree._Element, name: str) -> etree._Element | None:
    return request.find(f"{{{BASE}}}{name}")


def _text(request: etree._Element, name: str) -> str | None:
    found = _child(request, name)
    return None if found is None else (found.text or "").strip()


def _datastore(request: etree._Element, role: str) -> str:
    found = _child(request, role)
    if found is None or not len(found):
        raise Refused(RpcError("missing-element", f"no {role}", type="protocol"))
    return local_name(found[0])


def _data(tree: etree._Element, request: etree._Element) -> str:
    data = etree.Element(f"{{{BASE}}}data", nsmap={None: BASE})
    data.extend(chosen(tree, _child(request, "filter")))
    return str(etree.tostring(data, encoding="unicode"))
