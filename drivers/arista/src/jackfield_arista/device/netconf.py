"""The requests of RFC 6241 that the driver makes, each with what its failure means.

A reply may refuse with one error or with several, and all of them are told. No reply, or the end of the
session, is `Unreachable` as long as nothing can have changed, and `CommitLost` from the moment on when it
may have: a request says which of them is its own case. After either the session is of no more use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Literal

import paramiko
import structlog
from jackfield_sdk import Effect
from lxml import etree
from ncclient import NCClientError
from ncclient.manager import Manager
from ncclient.operations import TimeoutExpiredError
from ncclient.operations.rpc import RPCError
from ncclient.transport import SSHSession

from jackfield_arista.device.errors import CommitLost, LockHeld, Refusal, RpcFailed, Unreachable
from jackfield_arista.device.lost import LostSessions
from jackfield_arista.device.namespaces import ARISTA_CLI, NC, child

log = structlog.get_logger(__name__)

Datastore = Literal["candidate", "running"]

# What a switch says is quoted, and a reason has an end.
_QUOTED: Final = 300
_LOCKED: Final = frozenset({"lock-denied", "in-use"})
_CAPABILITY: Final = "urn:ietf:params:netconf:capability:"


class Netconf:
    """One session's requests. For one thread."""

    def __init__(self, switch: str, manager: Manager, transport: SSHSession, lost: LostSessions) -> None:
        """Speak through an open session; it is added to `lost` if it ends without a goodbye."""
        self._switch = switch
        self._manager = manager
        self._transport = transport
        self._lost_ones = lost
        self._number = str(manager.session_id)
        self._capabilities = frozenset(manager.server_capabilities)
        lost.meet(self._number)

    @property
    def alive(self) -> bool:
        """Return whether the session is open, as far as anybody has noticed."""
        return bool(self._manager.connected)

    def can(self, capability: str) -> bool:
        """Return whether the switch announced a capability: `startup`, `confirmed-commit:1.1`."""
        return any(uri.startswith(f"{_CAPABILITY}{capability}") for uri in self._capabilities)

    def has_module(self, namespace: str) -> bool:
        """Return whether the switch announced a module of this namespace."""
        return any(uri.partition("?")[0] == namespace for uri in self._capabilities)

    def get_config(self, filters: Sequence[str] | None = None) -> etree._Element:
        """Return the `data` of the running configuration."""
        with self._asking("to show its configuration", reading=True):
            return self._manager.get_config("running", filter=list(filters) if filters else None).data_ele

    def get(self, filters: Sequence[str]) -> etree._Element:
        """Return the `data` of configuration and state."""
        with self._asking("to show its state", reading=True):
            return self._manager.get(filter=list(filters)).data_ele

    def lock(self, datastore: Datastore) -> None:
        """Lock a datastore. LockHeld if somebody else holds it."""
        with self._asking(f"to lock its {datastore} configuration", datastore=datastore):
            self._manager.lock(datastore)
        self._lost_ones.clear()

    def end_lost(self, number: str) -> bool:
        """End a session at the switch if it is one of ours that was lost; return whether it was."""
        if number not in self._lost_ones:
            return False
        try:
            with self._asking(f"to end session {number}, which was ours"):
                self._manager.kill_session(number)
        except RpcFailed as refusal:
            log.warning("switch.lost_session_stays", switch=self._switch, reason=refusal.reason)
            return False
        self._lost_ones.discard(number)
        log.info("switch.lost_session_ended", switch=self._switch, session=number)
        return True

    def unlock(self, datastore: Datastore) -> None:
        """Give a lock back."""
        with self._asking(f"to unlock its {datastore} configuration"):
            self._manager.unlock(datastore)

    def edit_candidate(self, config: etree._Element) -> None:
        """Put an edit into the candidate configuration, validated first where the switch can."""
        with self._asking("the edit", datastore="candidate"):
            self._manager.edit_config(config, target="candidate", test_option=self._test_option())

    def edit_running(self, config: etree._Element) -> None:
        """Make an edit at once, all of it or nothing where the switch can."""
        error_option = "rollback-on-error" if self.can("rollback-on-error") else None
        effect = Effect.NONE if error_option else Effect.PARTIAL
        with self._asking("the edit", effect=effect, changing=True):
            self._manager.edit_config(
                config, target="running", test_option=self._test_option(), error_option=error_option
            )

    def commit(self, *, trial: int | None = None) -> None:
        """Make the candidate configuration true; for `trial` seconds only, unless a commit without it follows."""
        with self._asking("the commit", changing=True):
            if trial is None:
                self._manager.commit()
            else:
                self._manager.commit(confirmed=True, timeout=str(trial))

    def cancel_commit(self) -> None:
        """End a trial, so that all is as before."""
        with self._asking("to take the commit back", changing=True):
            self._manager.cancel_commit()

    def discard(self) -> None:
        """Make the candidate configuration that which runs."""
        with self._asking("to discard changes"):
            self._manager.discard_changes()

    def copy_to_startup(self) -> None:
        """Have what runs now be there after a restart."""
        with self._asking("to save its configuration"):
            self._manager.copy_config("running", "startup")

    def run_command(self, command: str) -> None:
        """Run a line of EOS's command line (module arista-cli)."""
        config = etree.Element(f"{{{NC}}}config", nsmap={"nc": NC})
        child(child(config, ARISTA_CLI, "commands"), ARISTA_CLI, "command", command)
        with self._asking(f'the command "{command}"'):
            self._manager.edit_config(config, target="running")

    def close(self) -> None:
        """End the session, and say goodbye if the switch still listens."""
        self._manager.timeout = 1
        try:
            if self.alive:
                self._manager.close_session()
        except (NCClientError, paramiko.SSHException, OSError, EOFError):
            self.drop()

    def drop(self) -> None:
        """End the session without a word: the switch gives up what was on trial, and the locks, if it hears of it."""
        self._lost_ones.add(self._number)
        try:
            self._transport.close()
        except (NCClientError, paramiko.SSHException, OSError, EOFError) as error:
            log.debug("switch.close_failed", switch=self._switch, error=type(error).__name__)

    def _test_option(self) -> str | None:
        return "test-then-set" if self.can("validate") else None

    @contextmanager
    def _asking(
        self,
        what: str,
        *,
        datastore: Datastore = "running",
        effect: Effect = Effect.NONE,
        changing: bool = False,
        reading: bool = False,
    ) -> Iterator[None]:
        """Turn every way in which a request can fail into an error of ours. Warnings do not fail a change."""
        try:
            yield
        except RPCError as error:
            refusals = _refusals(error, warnings=reading)
            for refusal in refusals:
                if refusal.tag in _LOCKED:
                    raise LockHeld(self._switch, datastore, refusal.session_id) from error
            if refusals:
                raise RpcFailed(self._switch, what, refusals, effect=effect) from error
            log.warning("switch.warned", switch=self._switch, request=what, said=_words(str(error)))
        except TimeoutExpiredError as error:
            self.drop()
            raise self._lost(f"was asked {what} and did not answer in time", changing) from error
        except (NCClientError, paramiko.SSHException, OSError, EOFError, etree.LxmlError) as error:
            self.drop()
            raise self._lost(f"ended the session when it was asked {what}", changing) from error

    def _lost(self, fact: str, changing: bool) -> Unreachable | CommitLost:
        if changing:
            return CommitLost(self._switch, f"{fact}: it may have been done", effect=Effect.MAYBE)
        return Unreachable(self._switch, fact)


def _refusals(error: RPCError, *, warnings: bool) -> tuple[Refusal, ...]:
    """Return the errors of a reply, with or without its warnings."""
    # A reply with several errors is an error with a list, and has no tag or path of its own.
    errors = getattr(error, "errors", None) or [error]
    return tuple(
        Refusal(
            tag=_words(one.tag) or "operation-failed",
            path=_words(one.path),
            message=_words(one.message),
            session_id=_session_id(one.info or ""),
        )
        for one in errors
        if warnings or _words(one.severity) != "warning"
    )


def _words(text: str | None) -> str:
    return " ".join((text or "").split())[:_QUOTED]


def _session_id(info: str) -> str:
    found = re.search(r"session-id[^>]*>\s*(\d+)", info)
    return found[1] if found and found[1] != "0" else ""
