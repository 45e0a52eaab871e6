"""One result for each change or request, each with an outcome: the rules of every answer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jackfield.driver.v1 import change_pb2

from jackfield_sdk.conformance.facts import Facts
from jackfield_sdk.conformance.verdict import require

if TYPE_CHECKING:
    from jackfield_sdk.conformance.core import Core

ONE_EACH = "exactly one result for each change, under the id that was sent"


def checked_results(sent: Sequence[Any], results: Sequence[Any], oneof: str, core: Core) -> dict[str, Any]:
    """Return the results by id; `Broken` under C10 unless there is exactly one for each, with an outcome."""
    by_id = one_for_each([each.change_id for each in sent], [each.change_id for each in results], results)
    for change in sent:
        result = by_id[change.change_id]
        which = result.WhichOneof(oneof)
        require(which is not None, f"the result of {change.change_id} has no {oneof}", ONE_EACH, rule="C10")
        if which in ("done", "accept"):
            _look_at_kept(getattr(result, which), core)
        if which == "in_progress":
            wait = result.in_progress.retry_after.ToTimedelta().total_seconds()
            require(wait > 0, f"in progress, and to be asked again in {wait:g} s", "a time above 0", rule="C14")
        if which == "done":
            _look_at_revision(change, result.done.revision, core)
    return by_id


def one_for_each(sent: Sequence[str], came: Sequence[str], results: Sequence[Any], rule: str = "C10") -> dict[str, Any]:
    """Pair results with ids; `Broken` under `rule` if one is missing, doubled or unknown."""
    count = Counter(came)
    doubled = [id for id, times in count.items() if times > 1]
    require(not doubled, f"{doubled[:3]} answered more than once", ONE_EACH, rule=rule)
    unknown = [id for id in came if id not in set(sent)]
    require(not unknown, f"a result for {unknown[:3]}, which was not sent", ONE_EACH, rule=rule)
    missing = [id for id in sent if id not in count]
    require(not missing, f"no result for {missing[:3]}", ONE_EACH, rule=rule)
    return dict(zip(came, results, strict=True))


def _look_at_revision(change: change_pb2.Change, revision: int, core: Core) -> None:
    wanted = f"revision {change.revision}, or a higher one that was sent before"
    require(revision >= change.revision, f"done with revision {revision}", wanted, rule="C18")
    known = [each.highest_sent for each in core.made if each.id == change.id]
    highest = max([change.revision, *known])
    require(
        revision <= highest, f"done with revision {revision}, and {highest} was the highest sent", wanted, rule="C18"
    )


def _look_at_kept(answer: Any, core: Core) -> None:
    """Check the state and the attributes that an answer gives to keep."""
    facts = core.facts
    if answer.HasField("state"):
        _look_at_state(answer.state, facts)
    if answer.attributes:
        require(facts.names("attributes"), "attributes in an answer, and the feature is not named", rule="B6")
    for name, value in answer.attributes.items():
        require(":" not in name, f"attribute {name!r} in an answer", "the bare name of an own attribute", rule="B6")
        require(_is_json(value), f"the value of attribute {name!r} is no JSON", "JSON as UTF-8", rule="B6")


def _look_at_state(state: change_pb2.DriverState, facts: Facts) -> None:
    size, limit = len(state.data), facts.max_state_bytes
    require(size <= limit, f"a state of {size} bytes", f"at most {limit}", rule="E2")
    versions = facts.message.state_version
    fits = versions.min_readable <= state.version <= versions.writes
    wanted = f"{versions.min_readable} to {versions.writes}, as the handshake says"
    require(fits, f"a state of version {state.version}", wanted, rule="E2")


def _is_json(value: bytes) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True
