"""Networks with their parts, remembered between requests.

Most ports are created on networks that were just read for another port. A copy
is good as long as the network's revision stands, because every change of a
subnet or segment raises it; :func:`hold` asks for that inside the transaction,
with a lock that keeps it standing until the commit.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from jackfield_core.db.attempts import Stale
from jackfield_core.db.tree import NetworkTree, load_trees
from jackfield_core.db.unit_of_work import Transaction, UnitOfWork
from jackfield_core.errors import NotFound
from jackfield_core.types import BindingLevel

CAPACITY = 4096


class NetworkTrees:
    """Recently used networks of this process."""

    def __init__(self, unit_of_work: UnitOfWork) -> None:
        self._unit_of_work = unit_of_work
        self._trees: OrderedDict[str, NetworkTree] = OrderedDict()

    async def get(self, ids: Iterable[str]) -> dict[str, NetworkTree]:
        """Return networks by id, perhaps as they were some time ago.

        Raises:
            NotFound: There is no such network.
        """
        wanted = dict.fromkeys(ids)
        missing = [id for id in wanted if id not in self._trees]
        if missing:
            async with self._unit_of_work.reading() as tables:
                self._remember(await load_trees(tables.connection, missing))
        found = {}
        for id in wanted:
            tree = self._trees.get(id)
            if tree is None or tree.network.deleted_at is not None:
                raise NotFound.of("network", id)
            self._trees.move_to_end(id)
            found[id] = tree
        return found

    async def hold(self, tx: Transaction, trees: Mapping[str, NetworkTree]) -> None:
        """Keep networks as they are until the commit.

        Raises:
            NotFound: A network is gone.
            Stale: A network has changed since it was read.
        """
        # One order for everybody, so that two requests never wait in a circle.
        for id in sorted(trees):
            revision = await tx.networks.lock(id)
            if revision == trees[id].network.revision_number:
                # A binding may have made it grow since it was read here.
                self._remember({id: trees[id]})
                continue
            self._trees.pop(id, None)
            if revision is None:
                raise NotFound.of("network", id)
            raise Stale(id)

    async def with_levels(self, tx: Transaction, id: str, levels: Sequence[BindingLevel]) -> NetworkTree:
        """Return a network, perhaps as it was some time ago, but with the segments that a port is bound to."""
        tree = (await self.get([id]))[id]
        if not tree.has_segments([level.segment_id for level in levels]):
            self._remember(await load_trees(tx.connection, [id]))
        return self._trees[id]

    def _remember(self, trees: Mapping[str, NetworkTree]) -> None:
        self._trees.update(trees)
        while len(self._trees) > CAPACITY:
            self._trees.popitem(last=False)
