"""Group E, part one: states that the core keeps for the driver."""

from __future__ import annotations

import grpc
from jackfield.driver.v1 import change_pb2, driver_pb2

from jackfield_sdk.conformance.core import Core, not_judged_without
from jackfield_sdk.conformance.facts import KIND_NUMBERS
from jackfield_sdk.conformance.residents import listing_after
from jackfield_sdk.conformance.rules import case
from jackfield_sdk.conformance.transcript import Refusal
from jackfield_sdk.conformance.verdict import require

_STATES = ("states",)


@case(
    "E1",
    "upgrade-pure",
    "UpgradeStates is a pure function: the same states in, the same states out, one result for each.",
    "DriverService, UpgradeStates",
    needs=_STATES,
)
async def test_upgrade_pure(core: Core) -> None:
    """Rewrite the states of a few resources to every version there is, three times."""
    states = await _states(core)
    not_judged_without(states, "the driver gave no state to keep")
    versions = core.facts.message.state_version
    for version in range(versions.min_readable, versions.writes + 1):
        request = driver_pb2.UpgradeStatesRequest(to_version=version, states=states)
        answers = [await core.wire.call("UpgradeStates", request) for _ in range(3)]
        require(answers[0] == answers[1] == answers[2], "different answers", "the same states each time")
        ids = [result.id for result in answers[0].results]
        require(ids == [each.id for each in states], f"results for {ids}", "one result for each state, in order")
        for old, result in zip(states, answers[0].results, strict=True):
            _require_upgraded(old, result, version)


@case(
    "E2",
    "state-fits",
    "A state is at most max_state_bytes long, and of a version that the driver declared.",
    "Errors, and Versions",
    needs=("states", "postcommit"),
)
async def test_state_fits(core: Core) -> None:
    """Take the states of each kind, hand them back with the next change, and take them again."""
    for keyed in await _states(core):
        size = len(keyed.state.data)
        require(size <= core.facts.max_state_bytes, f"{size} bytes", f"at most {core.facts.max_state_bytes}")


@case(
    "E4",
    "unreadable-state",
    "A state that cannot be read is an error for that one, and the others are rewritten.",
    "DriverService, UpgradeStates",
    needs=_STATES,
)
async def test_unreadable_state(core: Core) -> None:
    """Put nonsense beside the states of a few resources."""
    versions = core.facts.message.state_version
    good = await _states(core)
    nonsense = [
        driver_pb2.KeyedState(
            kind=KIND_NUMBERS["port"],
            id=core.mint.id(),
            state=change_pb2.DriverState(version=version, data=data),
        )
        for version, data in ((versions.writes, b"\xff\x00 nonsense"), (versions.writes + 40, b""), (0, b"\x00"))
    ]
    request = driver_pb2.UpgradeStatesRequest(to_version=versions.writes, states=[*nonsense, *good])
    answer = await core.wire.call("UpgradeStates", request)
    ids = [result.id for result in answer.results]
    require(ids == [each.id for each in request.states], f"results for {ids}", "one for each state, in order")
    unknown = answer.results[1]
    require(unknown.WhichOneof("outcome") == "error", "a state of an unknown version was rewritten", "an error")
    for old, result in zip(good, answer.results[len(nonsense) :], strict=True):
        _require_upgraded(old, result, versions.writes)


@case(
    "E5",
    "write-version",
    "The driver writes the version of state that write_state_version asks for, until it is told another.",
    "Versions",
    needs=("states", "postcommit"),
)
async def test_write_version(core: Core) -> None:
    """Ask for the oldest version, then for the newest."""
    versions = core.facts.message.state_version
    try:
        for version in (versions.min_readable, versions.writes):
            await core.wire.call("Handshake", core.greeting(write_state_version=version))
            for keyed in await _states(core):
                require(keyed.state.version == version, f"a state of version {keyed.state.version}", f"{version}")
    finally:
        await core.introduce()


@case(
    "E6",
    "upgrade-out-of-range",
    "UpgradeStates to a version that the driver did not declare is refused with INVALID_ARGUMENT.",
    "DriverService, UpgradeStates",
    needs=_STATES,
)
async def test_out_of_range(core: Core) -> None:
    """Ask for a version of the far future."""
    request = driver_pb2.UpgradeStatesRequest(to_version=core.facts.message.state_version.writes + 40)
    refusal = await core.wire.refused("UpgradeStates", request)
    fits = refusal.code is grpc.StatusCode.INVALID_ARGUMENT and refusal.domain == core.facts.driver
    require(fits, str(refusal), "INVALID_ARGUMENT with ErrorInfo")


@case(
    "E7",
    "strange-state",
    "A state that comes back damaged breaks nothing: the change gets its result, and later ones are made.",
    "Duties of a driver 6 and 11",
    needs=("states", "postcommit"),
)
async def test_strange_state(core: Core) -> None:
    """Hand back nonsense with an update, then nothing."""
    resource = await core.stand(core.facts.kinds("postcommit")[-1])
    await core.settle(resource)
    version = core.facts.message.state_version.writes
    resource.edit()
    change = core.change(resource)
    change.state.CopyFrom(change_pb2.DriverState(version=version, data=b"\xff\x00 nonsense"))
    answer = await core.wire.attempt("Postcommit", core.request([change]))
    require(not isinstance(answer, Refusal), f"the whole call was refused: {answer}", "a result for the change")
    resource.state = None
    resource.edit()
    await core.settle(resource)
    await core.expect_listing()


test_listing = listing_after("E")


async def _states(core: Core) -> list[driver_pb2.KeyedState]:
    """Create and change one resource of each kind, and return the states that came with that."""
    found = []
    for kind in core.facts.kinds("postcommit"):
        resource = await core.stand(kind)
        await core.settle(resource)
        resource.edit()
        await core.settle(resource)
        if resource.state is not None:
            number = KIND_NUMBERS[kind]
            found.append(driver_pb2.KeyedState(kind=number, id=resource.id, state=resource.state))
    return found


def _require_upgraded(old: driver_pb2.KeyedState, result: driver_pb2.UpgradeStatesResult, version: int) -> None:
    which = result.WhichOneof("outcome")
    require(which == "state", f"{which} {result.error.reason} for a state of the driver's own", "the rewritten state")
    require(result.state.version == version, f"a state of version {result.state.version}", f"version {version}")
    if old.state.version == version:
        same = old.state.data == result.state.data
        require(same, f"a state of version {version} came back changed", "the same bytes")
