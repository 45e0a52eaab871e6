"""Asks mechanism drivers, and turns silence into a decision."""

from collections.abc import Sequence

from jackfield_core import config
from jackfield_core.db.unit_of_work import Change
from jackfield_core.mechanism.answers import BindAnswer, BindAsk, PostcommitOutcome
from jackfield_core.mechanism.registry import Registry
from jackfield_core.mechanism.translate import ChangeMessage, Host


class MechanismManager:
    """Calls to drivers, for services, the dispatcher and the binder."""

    def __init__(self, registry: Registry, settings: config.Mechanism) -> None: ...

    async def precommit(self, changes: Sequence[Change]) -> None:
        """Ask the interested drivers to judge changes; the last thing in a transaction.

        ``change.states`` holds, by driver, the states kept so far; the drivers'
        new states replace them there.

        Raises:
            DriverRejected: A driver refuses a change.
            DriverUnavailable: A required driver gave no verdict in time.
        """
        raise NotImplementedError

    async def postcommit(
        self, name: str, changes: Sequence[ChangeMessage], epoch: int, timeout: float
    ) -> PostcommitOutcome:
        """Have a driver make changes true; at most its ``limits.max_batch`` of them.

        *epoch* is the time of the claim in microseconds, *timeout* is in seconds.

        Raises:
            NoVerdict: Not called (``attempted`` is false), or the outcome is unknown.
            Garbage: The answer breaks the contract.
        """
        raise NotImplementedError

    async def bind_ports(self, name: str, host: Host, asks: Sequence[BindAsk], timeout: float) -> list[BindAnswer]:
        """Ask a driver to bind ports of one host; the answers are in the order of *asks*.

        Raises:
            NoVerdict: Not called, or no answer in *timeout* seconds.
            Garbage: The answer breaks the contract.
        """
        raise NotImplementedError
