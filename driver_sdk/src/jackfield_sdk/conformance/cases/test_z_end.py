"""Groups E, G and I, what is judged at the end: secrets, errors, and what was there before."""

from __future__ import annotations

import json

from jackfield.driver.v1 import change_pb2, driver_pb2, mechanism_pb2, reconcile_pb2

from jackfield_sdk.conformance.binding import a_request
from jackfield_sdk.conformance.core import Core, not_judged_without
from jackfield_sdk.conformance.facts import KIND_NUMBERS
from jackfield_sdk.conformance.foreign import output_of
from jackfield_sdk.conformance.model import differences
from jackfield_sdk.conformance.residents import listing_after
from jackfield_sdk.conformance.rules import KINDS, case
from jackfield_sdk.conformance.verdict import require


@case(
    "E3",
    "no-secret-out",
    "No value of a field marked sensitive is in a message, a status or any other field of an answer.",
    "Duties of a driver 9",
)
async def test_no_secret_out(core: Core) -> None:
    """Put a sentinel into every sensitive field, whole and damaged, and search all answers of the run."""
    await _provoke(core)
    found = _found(core, "E3")
    require(not found, "; ".join(found[:3]), "no secret in any answer")


@case(
    "E8",
    "no-secret-in-log",
    "No value of a field marked sensitive is in the driver's log.",
    "Duties of a driver 9",
    needs=("log",),
)
async def test_no_secret_in_log(core: Core) -> None:
    """Search the log for the sentinel."""
    assert core.supervisor is not None
    await _provoke(core)
    lines = [line for line in core.supervisor.log().splitlines() if core.scrutiny.sentinel in line]
    said = [line.replace(core.scrutiny.sentinel, "***")[:200] for line in lines[:3]]
    require(not lines, f"{len(lines)} lines, such as {said}", "no secret in the log")


@case(
    "I5",
    "errors-are-marked",
    "An error that only the driver can have made carries ErrorInfo with its name, and reasons are stable names.",
    "Errors",
)
async def test_errors_are_marked(core: Core) -> None:
    """Look at all errors of the run, and at a few more."""
    await _provoke(core)
    await _overfill(core)
    found = _found(core, "I5")
    require(not found, "; ".join(found[:3]), "ErrorInfo whose domain is the driver's name")


@case(
    "I6",
    "no-raw-exceptions",
    "The text of an exception is in no message and no status.",
    "Duties of a driver 9",
)
async def test_no_raw_exceptions(core: Core) -> None:
    """Look at all texts of the run, and at a few more."""
    await _provoke(core)
    found = _found(core, "I6")
    require(not found, "; ".join(found[:3]), "a sentence for people, the trace in the log")


@case(
    "G2",
    "foreign-untouched",
    "What was there before, and is not of this run, is there afterwards as it was.",
    "Duties of a driver 7",
    needs=("postcommit",),
)
async def test_foreign_untouched(core: Core) -> None:
    """Compare with what was listed, and what --params' foreign_command printed, before the first change."""
    told = core.params.foreign_command
    not_judged_without(told or core.facts.names("list_owned"), "needs feature 'list_owned' or a foreign_command")
    for kind in core.facts.kinds("postcommit"):
        resource = await core.stand(kind)
        await core.settle(resource)
        await core.remove(resource)
    if core.facts.names("list_owned"):
        listing = await core.owned()
        said = differences({key: listing[key] for key in core.before if key in listing}, core.before)
        require(not said, "; ".join(said[:5]), "everything as it was")
    now = await output_of(told)
    require(
        now == core.foreign, f"foreign_command printed {core.foreign[:300]!r}, and prints {now[:300]!r}", "the same"
    )


test_listing = listing_after("all")


def _found(core: Core, rule: str) -> list[str]:
    """Return what was found in the whole run; the calls of this case would say nothing about it."""
    core.transcript.clear()
    return core.scrutiny.found(rule)


async def _provoke(core: Core) -> None:
    """Send secrets in every sensitive field, whole, damaged, and where they do not fit."""
    secret = core.scrutiny.sentinel.encode()
    for kind in KINDS:
        for change in await _damaged(core, kind, secret):
            if kind in core.facts.kinds("precommit"):
                await core.wire.attempt("Precommit", mechanism_pb2.PrecommitRequest(changes=[change]))
            if core.takes(kind):
                await core.wire.attempt("Postcommit", core.request([change]))
            if core.takes(kind) and core.facts.names("diff"):
                await core.wire.listed_or_refused("Diff", reconcile_pb2.DiffRequest(changes=[change]))
    if core.facts.message.HasField("bind"):
        wanted = await a_request(core)
        wanted.port.binding.profile = b'{"password": "' + secret
        message = mechanism_pb2.BindPortsRequest(host=core.mint.host(), requests=[wanted])
        await core.wire.attempt("BindPorts", message)
    if core.facts.names("states"):
        writes = core.facts.message.state_version.writes
        states = [
            driver_pb2.KeyedState(
                kind=KIND_NUMBERS["port"],
                id=core.mint.id(),
                state=change_pb2.DriverState(version=version, data=secret),
            )
            for version in (writes, writes + 1)
        ]
        await core.wire.attempt("UpgradeStates", driver_pb2.UpgradeStatesRequest(to_version=writes, states=states))


async def _overfill(core: Core) -> None:
    """Send one change more than the handshake allows, where changes are taken."""
    too_many = core.facts.max_batch + 1
    if kinds := core.facts.kinds("postcommit"):
        change = core.change(await core.stand(kinds[0]))
        await core.wire.attempt("Postcommit", core.request([change] * too_many))
    if core.facts.message.HasField("bind"):
        wanted = await a_request(core)
        message = mechanism_pb2.BindPortsRequest(host=core.mint.host(), requests=[wanted] * too_many)
        await core.wire.attempt("BindPorts", message)


async def _damaged(core: Core, kind: str, secret: bytes) -> list[change_pb2.Change]:
    """Write changes of new resources with secrets that no parser likes."""
    resource = await core.stand(kind)
    plain = core.change(resource)
    with_state, with_attributes, with_profile = (_copy(plain) for _ in range(3))
    if core.facts.names("states"):
        state = change_pb2.DriverState(version=core.facts.message.state_version.writes, data=secret)
        with_state.state.CopyFrom(state)
    for name in resource.attributes:
        with_attributes.attributes[name] = json.dumps({"unexpected": [secret.decode()]}).encode()
    if kind == "port":
        with_profile.current.port.binding.profile = b'{"password": "' + secret
    return [with_state, with_attributes, with_profile, plain]


def _copy(change: change_pb2.Change) -> change_pb2.Change:
    copy = change_pb2.Change()
    copy.CopyFrom(change)
    return copy
