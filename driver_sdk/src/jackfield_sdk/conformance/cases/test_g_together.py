"""Group G, part three: several changes in one dry run."""

from __future__ import annotations

from jackfield.driver.v1 import change_pb2

from jackfield_sdk.conformance.core import Core, not_judged_without
from jackfield_sdk.conformance.owned import Lines, lines_of
from jackfield_sdk.conformance.rules import case
from jackfield_sdk.conformance.verdict import require


@case(
    "G12",
    "diff-of-each",
    "Each change of a dry run gets a response, with lines or without, and the same as alone.",
    "ReconcileService, Diff",
    needs=("diff", "postcommit"),
    since="1.2",
)
async def test_diff_of_each(core: Core) -> None:
    """Ask in one call for what is true, what is to be made, to be changed and to be deleted; then for each alone."""
    not_judged_without(core.facts.batch >= 4, "max_batch is below 4")
    true = await core.stand(core.facts.kinds("postcommit")[-1])
    unborn, held, doomed = (core.sibling(true) for _ in range(3))
    await core.settle(true, held, doomed)
    held.edit()
    changes = [*map(core.change, (true, unborn, held)), core.change(doomed, delete=True)]
    together = await lines_of(core, changes)
    for change in changes:
        said = _of(change, together)
        require(said, f"no response for a change of {len(changes)}", "one for each change, or for each backend")
        alone = _of(change, await lines_of(core, [change]))
        require(said == alone, f"{said} among others, {alone} alone", "the same")


def _of(change: change_pb2.Change, lines: Lines) -> list[tuple[str, ...]]:
    return sorted(said for id, said in lines if id == change.id)
