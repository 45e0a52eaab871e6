"""What an answer asks the core to keep: a state, and values of the driver's own attributes.

Both are held to what was agreed: the state to its size and to the one version
that is written until the operator finalises an upgrade, the values to the
schemas that the driver declared. What does not fit makes the whole answer
garbage. Neither is ever quoted.
"""

from collections.abc import Mapping

from jackfield.driver.v1 import change_pb2, mechanism_pb2
from msgspec import Struct

from jackfield_core.attributes.attribute import Attribute, Misfit
from jackfield_core.mechanism.answers import Garbage, State
from jackfield_core.types import Kind

_LARGEST_STATE_VERSION = 2**31 - 1
_NONE: Mapping[str, Attribute] = {}


Answer = mechanism_pb2.Accept | mechanism_pb2.Done


class WrongStateVersion(Garbage):
    """Raised for a state of a version that is not to be written, as far as this process knows."""


class Terms(Struct, frozen=True):
    """What the answers of one driver are held to.

    *state_versions* are those that may be written, none means any; *attributes*
    are the driver's own, by kind and name.
    """

    driver: str
    max_state_bytes: int
    state_versions: frozenset[int] = frozenset()
    attributes: Mapping[Kind, Mapping[str, Attribute]] = {}


def state(terms: Terms, answer: Answer) -> State | None:
    """Return the state to keep, None to keep what there is, or raise Garbage."""
    return checked_state(terms, answer.state) if answer.HasField("state") else None


def checked_state(terms: Terms, state: change_pb2.DriverState) -> State:
    """Return a state that keeps the terms, or raise Garbage."""
    version, data = state.version, state.data
    if len(data) > terms.max_state_bytes or version > _LARGEST_STATE_VERSION:
        raise Garbage(
            terms.driver, f"a state of version {version} has {len(data)} of at most {terms.max_state_bytes} bytes"
        )
    if terms.state_versions and version not in terms.state_versions:
        wanted = " or ".join(map(str, sorted(terms.state_versions)))
        raise WrongStateVersion(terms.driver, f"a state is of version {version}, and {wanted} is to be written")
    return version, data


def attributes(terms: Terms, kind: Kind, answer: Answer) -> dict[str, bytes]:
    """Return the values to set, by name, or raise Garbage."""
    given = answer.attributes
    if not given:
        return {}
    declared = terms.attributes.get(kind, _NONE)
    return {name: _value(terms.driver, kind, name, declared.get(name), text) for name, text in given.items()}


def _value(driver: str, kind: Kind, name: str, attribute: Attribute | None, text: bytes) -> bytes:
    if attribute is None:
        raise Garbage(driver, f'it sets the attribute "{name[:63]}" of a {kind} and has declared none of that name')
    try:
        return attribute.read(text)
    except Misfit as error:
        raise Garbage(driver, f'it sets the attribute "{name}" of a {kind} against its schema: {error}') from None
