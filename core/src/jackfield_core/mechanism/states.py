"""Has a driver rewrite states that it wrote in an older version.

That is a pure function of the driver: the same states in, the same states out,
and nothing else happens, so it may be asked again and again. What comes back is
held to the same terms as any state.
"""

from collections.abc import Sequence

from jackfield.driver.v1 import change_pb2, driver_pb2

from jackfield_core.db.state import StoredState
from jackfield_core.mechanism.answers import Garbage, State
from jackfield_core.mechanism.client import UPGRADE_STATES, DriverClient
from jackfield_core.mechanism.kept import Terms, checked_state
from jackfield_core.mechanism.translate import KINDS
from jackfield_core.mechanism.verdicts import clean
from jackfield_core.types import Kind

Rewritten = State | str
"""A state in the new version, or why the old one could not be read."""


async def rewrite(
    client: DriverClient, terms: Terms, to_version: int, states: Sequence[StoredState], timeout: float
) -> list[Rewritten]:
    """Return *states* in *to_version*, in their order.

    Raises:
        NoVerdict: No answer in *timeout* seconds, or the driver refuses the version.
        Garbage: The answer breaks the contract.
    """
    request = driver_pb2.UpgradeStatesRequest(to_version=to_version)
    for state in states:
        message = request.states.add(kind=KINDS[Kind(state.kind)], id=state.resource_id)
        message.state.version, message.state.data = state.version, state.data
    response = await client.call(UPGRADE_STATES, request, timeout)
    found = {result.id: result for result in response.results}
    if len(found) != len(response.results) or found.keys() != {state.resource_id for state in states}:
        raise Garbage(terms.driver, "it did not answer each state once")
    return [_rewritten(terms, found[state.resource_id]) for state in states]


def _rewritten(terms: Terms, result: driver_pb2.UpgradeStatesResult) -> Rewritten:
    outcome = result.WhichOneof("outcome")
    if outcome == "state":
        return checked_state(terms, result.state)
    if outcome == "error":
        return _reason(result.error)
    raise Garbage(terms.driver, "a result holds neither a state nor an error")


def _reason(error: change_pb2.Error) -> str:
    return clean(error.operator_message or error.user_message or error.reason, 1000) or "no reason was given"
