"""The tables of `proto/README.md` are the truth about errors; SDK and core say the same.

The tables are read as a vendor reads them: upper-case words in backticks are status codes,
reasons or dispositions. Each refusal of the SDK is provoked over a real socket, so a constant that
nobody sends, or a status that no table names, is found.
"""

import ast
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status
from jackfield.driver.v1 import change_pb2, mechanism_pb2, reconcile_pb2
from jackfield.driver.v1.mechanism_pb2_grpc import MechanismServiceStub
from jackfield.driver.v1.reconcile_pb2_grpc import ReconcileServiceStub
from jackfield_core.mechanism.doubt import UNKNOWN_OUTCOME
from jackfield_sdk import DeviceConflict, DriverError, Infeasible, MechanismDriver, Rejected, RetryLater
from jackfield_sdk._convert import encode
from jackfield_sdk.examples.loopback import LoopbackDriver
from jackfield_sdk.reasons import NOT_ITS_HOST, CallReason, ChangeReason
from jackfield_sdk.testing import Core, running

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "proto/README.md").read_text()
SDK = ROOT / "driver_sdk/src/jackfield_sdk"
NODES = ROOT / "core/src/jackfield_core/nodes"

CODES = {code.name for code in grpc.StatusCode}
DISPOSITIONS = {name.removeprefix("DISPOSITION_") for name in dict(change_pb2.Disposition.items())}
# Words in the same column that are neither.
HEALTH = {"SERVING", "NOT_SERVING"}


def tables(header: str) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield (section, rows) for every table whose first header is *header*; a row is its cells."""
    for title, text in re.findall(r"^#+ (.+?)$(.*?)(?=^#+ |\Z)", README, re.MULTILINE | re.DOTALL):
        for table in re.findall(rf"^\| {header} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE):
            yield title, [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def words(cell: str) -> list[str]:
    """Return the upper-case words in backticks."""
    return re.findall(r"`([A-Z_]+)`", cell)


def test_every_reason_of_a_refused_call_is_in_the_tables_and_in_the_sdk() -> None:
    """Code and reason are the same on both sides, and neither side knows more."""
    told = set()
    for section, rows in tables("condition"):
        for row in rows:
            codes = [word for word in words(row[1]) if word in CODES and word != "OK"]
            reasons = [word for word in words(row[1]) if word not in CODES | DISPOSITIONS | HEALTH]
            if section != "Sync" and codes:
                told |= {(code, reason) for code in codes for reason in reasons}

    assert told == {(why.code.name, why.reason) for why in CallReason}


def test_every_reason_of_a_failed_change_is_in_the_table_and_in_the_sdk() -> None:
    """So are the reasons that concern one change, and what the SDK sends has the disposition of the table."""
    [(_, rows)] = tables("`reason`")
    told = {reason: words(row[1]) for row in rows for reason in words(row[0])}
    sent = [encode.error(each) for each in (RetryLater(""), Infeasible(""), DeviceConflict(""), Rejected(""))]
    sent += [encode.error(DriverError("")), encode.bug(ValueError())]

    assert told.keys() == {reason.value for reason in ChangeReason}
    for error in sent:
        assert told[error.reason] == [_disposition(error)]


def test_reasons_named_elsewhere_have_their_disposition() -> None:
    """A row of Postcommit that names a reason agrees with the table of reasons."""
    [(_, reasons)] = tables("`reason`")
    dispositions = {reason: words(row[1]) for row in reasons for reason in words(row[0])}
    named = {
        reason: [word for word in words(row[1]) if word in DISPOSITIONS]
        for _, rows in tables("condition")
        for row in rows
        for reason in words(row[1])
        if reason not in DISPOSITIONS and set(words(row[1])) & DISPOSITIONS
    }

    assert named
    assert named == {reason: dispositions[reason] for reason in named}


def test_table_of_dispositions_is_complete() -> None:
    """Every value of the enum has a row."""
    [(_, rows)] = tables("`disposition`")

    assert {word for row in rows for word in words(row[0])} == DISPOSITIONS


def test_codes_of_an_unknown_outcome_are_those_that_the_breaker_counts() -> None:
    """The core counts exactly the codes of that row."""
    rows = [row for _, rows in tables("condition") for row in rows if "outcome unknown" in row[2]]

    assert [set(words(row[1])) for row in rows] == [set(UNKNOWN_OUTCOME)]


def test_node_service_answers_the_codes_of_its_table() -> None:
    """What the core sends to agents is in the table of Sync, and nothing else is."""
    rows = next(rows for section, rows in tables("condition") if section == "Sync")
    used = {code for path in NODES.glob("*.py") for code in _codes_in(path)}

    assert {word for row in rows for word in words(row[1])} == used


def test_agent_of_the_sdk_knows_the_refusal_of_its_host() -> None:
    """The code that it takes for one is that of the row."""
    rows = next(rows for section, rows in tables("condition") if section == "Sync")

    assert [words(row[1]) for row in rows if "certificate" in row[0]] == [[NOT_ITS_HOST.name]]


def test_sdk_names_no_reason_or_code_beside_its_list() -> None:
    """Reasons of the contract are written once; codes are chosen there, and where any status is made."""
    own = [
        path for path in SDK.rglob("*.py") if path.parts[len(SDK.parts)] not in {"examples", "conformance", "testing"}
    ]
    literals = {
        (path.name, node.value)
        for path in own
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.keyword) and call.arg in {"code", "reason"}
        for node in [call.value]
        if isinstance(node, ast.Constant) and node.value
    }
    coded = {path.name for path in own if _codes_in(path)}

    assert literals == set()
    assert coded == {"reasons.py", "refusal.py"}


class Silent(MechanismDriver):
    """A driver that offers nothing."""

    name = "silent"
    version = "1"


class Broken(MechanismDriver):
    """A driver that cannot load."""

    name = "broken"
    version = "1"

    async def start(self) -> None:
        raise Infeasible("no licence")


def _change(kind: Any = change_pb2.RESOURCE_KIND_NETWORK) -> change_pb2.Change:
    return change_pb2.Change(change_id="1", kind=kind, id="n", action=change_pb2.ACTION_CREATE, revision=1)


async def _precommit(core: Core, changes: int = 1) -> None:
    request = mechanism_pb2.PrecommitRequest(changes=[_change() for _ in range(changes)])
    await MechanismServiceStub(core.channel).Precommit(request, timeout=5)


async def _drained(core: Core) -> None:
    await core.drain(0)
    await _precommit(core)


async def _unreadable_host(core: Core) -> None:
    request = mechanism_pb2.BindPortsRequest()
    request.host.agents.add(configurations=b"{")
    await MechanismServiceStub(core.channel).BindPorts(request, timeout=5)


async def _unknown_kind(core: Core) -> None:
    request = reconcile_pb2.DiffRequest(changes=[_change(kind=99)])
    async for _ in ReconcileServiceStub(core.channel).Diff(request, timeout=5):
        pass


async def _listing(core: Core) -> None:
    async for _ in ReconcileServiceStub(core.channel).ListOwned(reconcile_pb2.ListOwnedRequest(), timeout=5):
        pass


Provoke = Callable[[Core], Awaitable[None]]
PROVOCATIONS: dict[CallReason, tuple[Callable[[], MechanismDriver], Provoke, str]] = {
    CallReason.DRAINING: (LoopbackDriver, _drained, ""),
    CallReason.LOAD_ERROR: (Broken, _precommit, ""),
    CallReason.BATCH_TOO_LARGE: (LoopbackDriver, lambda core: _precommit(core, 3), "changes"),
    CallReason.MALFORMED: (LoopbackDriver, _unreadable_host, "host"),
    CallReason.UNSUPPORTED: (LoopbackDriver, _unknown_kind, "changes[0].kind"),
    CallReason.NOT_SERVED: (Silent, _listing, ""),
}


@pytest.mark.parametrize("why", CallReason)
async def test_refusal_says_code_reason_and_field(why: CallReason, tmp_path: Path) -> None:
    """Provoked over a socket, the status carries our ErrorInfo, and BadRequest if a field is wrong."""
    driver, provoke, field = PROVOCATIONS[why]
    async with running(driver(), tmp_path, max_batch=2) as core:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await provoke(core)
        name = (await core.handshake()).driver_name

    details = _details(caught.value)
    assert caught.value.code() is why.code
    assert _unpacked(details, ErrorInfo) == ErrorInfo(reason=why.reason, domain=name)
    request = _unpacked(details, BadRequest)
    assert [violation.field for violation in request.field_violations] == ([field] if field else [])
    assert bool(field) == (why.code is grpc.StatusCode.INVALID_ARGUMENT)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(_change(kind=99), ChangeReason.UNSUPPORTED, id="a kind of tomorrow"),
        pytest.param(_change(), ChangeReason.MALFORMED, id="nothing in it"),
    ],
)
async def test_change_that_cannot_be_read_fails_alone(
    change: change_pb2.Change, reason: ChangeReason, tmp_path: Path
) -> None:
    """The call is OK, and the change has the reason and the disposition of the table."""
    async with running(LoopbackDriver(), tmp_path) as core:
        request = mechanism_pb2.PostcommitRequest(changes=[change])
        [result] = (await MechanismServiceStub(core.channel).Postcommit(request, timeout=5)).results

    assert (result.failed.reason, _disposition(result.failed)) == (reason, "INFEASIBLE")


def test_driver_in_another_language_refuses_with_the_same_words() -> None:
    """The example in Node.js gives the reasons of the tables, with their codes; `wrongField` is INVALID_ARGUMENT."""
    folder = ROOT / "driver_sdk/examples/nodejs/src"
    source = "".join(path.read_text() for path in sorted(folder.glob("*.js")))
    said = set(re.findall(r"Refusal\(status\.([A-Z_]+), '([A-Z_]+)'", source))
    said |= {("INVALID_ARGUMENT", reason) for reason in re.findall(r"wrongField\('([A-Z_]+)'", source)}

    # It names every feature, so nothing of it is not served.
    assert said == {(why.code.name, why.reason) for why in CallReason if why is not CallReason.NOT_SERVED}


def _disposition(error: change_pb2.Error) -> str:
    return change_pb2.Disposition.Name(error.disposition).removeprefix("DISPOSITION_")


def _codes_in(path: Path) -> set[str]:
    """Return the names X of all grpc.StatusCode.X in a file."""
    return {
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "StatusCode"
    }


def _details(error: grpc.aio.AioRpcError) -> Status:
    trailing = dict(error.trailing_metadata() or ())
    return Status.FromString(trailing["grpc-status-details-bin"])


def _unpacked(status: Status, kind: type[Message]) -> Any:
    message = kind()
    for detail in status.details:
        if detail.Is(message.DESCRIPTOR):
            detail.Unpack(message)
    return message
