"""Group E, part two: states that precommit asks to keep."""

from __future__ import annotations

from jackfield_sdk.conformance.core import Core, not_judged_without
from jackfield_sdk.conformance.rules import case
from jackfield_sdk.conformance.verdict import require


@case(
    "E9",
    "accepted-version",
    "What precommit asks to keep has the version that write_state_version asks for, too.",
    "Versions",
    needs=("states", "precommit"),
    since="1.2",
)
async def test_accepted_version(core: Core) -> None:
    """Ask for the oldest version, then for the newest, and have creates judged."""
    versions, found = core.facts.message.state_version, []
    changes = [core.change(await core.stand(kind)) for kind in core.facts.kinds("precommit")]
    try:
        for version in (versions.min_readable, versions.writes):
            await core.wire.call("Handshake", core.greeting(write_state_version=version))
            for change in changes:
                verdict = (await core.precommit([change]))[change.change_id]
                found += [(version, verdict.accept.state.version)] * verdict.accept.HasField("state")
    finally:
        await core.introduce()
    not_judged_without(found, "the driver asks to keep nothing in precommit")
    for wanted, came in found:
        require(came == wanted, f"a state of version {came}", f"{wanted}")
