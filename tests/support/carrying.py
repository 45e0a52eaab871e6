"""A core without its API, for tests of what happens behind it.

Networks and subnets are written down the way services do it, so that drivers are
owed them, and a dispatcher carries that to whoever is connected. The folders of
such tests add what they look at: audits, events, or the dispatcher itself.
"""

import contextlib
import itertools
from pathlib import Path
from typing import Any

from jackfield_core import config
from jackfield_core.db.engine import Database
from jackfield_core.db.tree import NetworkTree
from jackfield_core.db.unit_of_work import Change, UnitOfWork
from jackfield_core.dispatch.dispatcher import Dispatcher
from jackfield_core.mechanism import translate
from jackfield_core.mechanism.manager import MechanismManager
from jackfield_core.mechanism.registry import Registry
from jackfield_core.types import Action, Kind
from msgspec.structs import replace

from support.waiting import eventually


class CarryingCore:
    """One core process: registry, manager, dispatcher, and what services do to rows; *rows* makes values of these."""

    def __init__(
        self, database: Database, rows: Any, settings: config.Settings, registry: Registry, **dispatcher: Any
    ) -> None:
        self.database = database
        self.rows = rows
        self.settings = settings
        self.registry = registry
        self.manager = MechanismManager(registry, settings.mechanism)
        self.dispatcher = Dispatcher(registry, self.manager, database, settings, **dispatcher)
        self.unit_of_work = UnitOfWork(
            database, registry, translate.encode_original, lambda drivers: self.dispatcher.wake(drivers)
        )

    async def start(self) -> None:
        """Read what is known of drivers, connect to them, and deliver."""
        async with self.unit_of_work.reading() as tables:
            await self.registry.load(tables)
        await self.registry.start()
        await self.dispatcher.start()

    async def stop(self) -> None:
        """Stop; calls under way get a second."""
        await self.dispatcher.stop(grace=1)
        await self.registry.stop()

    async def network(self, **columns: Any) -> NetworkTree:
        """Create a network with a segment."""
        network = self.rows.network(**columns)
        tree = NetworkTree(network, (self.rows.segment(network),))
        async with self.unit_of_work() as tx:
            await tx.networks.add(network)
            await tx.segments.add(tree.segments[0])
            tx.record(Change(Kind.NETWORK, Action.CREATE, network, None, tree))
        return tree

    async def subnet(self, tree: NetworkTree, cidr: str = "192.0.2.0/24") -> NetworkTree:
        """Create a subnet; return the network with it."""
        subnet = self.rows.subnet(tree.network, cidr)
        tree = replace(tree, subnets=(*tree.subnets, subnet))
        async with self.unit_of_work() as tx:
            await tx.subnets.add(subnet)
            tx.record(Change(Kind.SUBNET, Action.CREATE, subnet, None, tree))
        return tree


class Scene:
    """Cores and drivers of one test, over one database; drivers listen in *folder*, and end with *stack*."""

    eventually = staticmethod(eventually)

    def __init__(self, database: Database, rows: Any, folder: Path, stack: contextlib.AsyncExitStack) -> None:
        self.database = database
        self.rows = rows
        self._folder = folder
        self._stack = stack
        self._numbers = itertools.count(1)

    def path(self) -> Path:
        """Return where nobody listens yet."""
        return self._folder / f"{next(self._numbers)}.sock"
