"""What drivers have declared, as this process knows it.

The database holds the schemas, so that values are checked and shown while a
driver is down; every process keeps them compiled. For a kind without schemas
there is nothing to do, and nothing is done: not a statement, not a loop.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

import structlog
from msgspec import Struct

from jackfield_core.attributes.attribute import Attribute
from jackfield_core.attributes.rules import Unusable
from jackfield_core.db.attribute_schema import AttributeSchema
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.types import Kind

log = structlog.get_logger()

Attributes = Mapping[str, Attribute]
"""Attributes by name."""

_NONE: Attributes = MappingProxyType({})


class Declarations(Struct, frozen=True):
    """What the database holds: digests by driver, all schemas, and the kinds of which resources have values."""

    digests: Mapping[str, bytes | None]
    schemas: Sequence[AttributeSchema]
    kinds: Collection[Kind]


async def load_declarations(tables: Tables) -> Declarations:
    """Read what drivers have declared."""
    # Digests first: schemas that are newer are only read once more.
    records = await tables.drivers.list()
    return Declarations(
        {name: record.schema_digest for name, record in records.items()},
        await tables.attribute_schemas.list(),
        await tables.vendor_attributes.kinds(),
    )


class Catalogue:
    """Attributes of the drivers called *drivers*, in their order."""

    def __init__(self, drivers: Sequence[str]) -> None:
        self._drivers = drivers
        self._digests: dict[str, bytes | None] = {}
        self._declared: dict[str, Sequence[Attribute]] = {}
        self._former: dict[str, Sequence[Attribute]] = {}
        self._stored: frozenset[Kind] = frozenset()
        self.kinds: Collection[Kind] = ()
        """Kinds of which resources may have values, declared now or left over from former times."""
        self._index()

    def digest(self, driver: str) -> bytes | None:
        """Return the digest of a driver's schemas, or None if it never declared any."""
        return self._digests.get(driver)

    def of_kind(self, kind: Kind) -> Attributes:
        """Return all attributes of a kind by full name, as users see it: ``fabric:colour``."""
        return self._by_kind.get(kind, _NONE)

    def of_driver(self, driver: str, kind: Kind) -> Attributes:
        """Return the attributes of a kind that are a driver's own, by bare name."""
        return self._by_driver.get((driver, kind), _NONE)

    def settable_by(self, driver: str, kind: Kind) -> Attributes:
        """Return the attributes of a kind that a driver may set: its own, and those that it declared before.

        While a driver is upgraded or rolled back, processes of both versions
        answer, perhaps to different processes of the core.
        """
        return {**_named(self._former.get(driver, ()), kind), **self.of_driver(driver, kind)}

    def replace(self, driver: str, digest: bytes, schemas: Iterable[AttributeSchema]) -> None:
        """Take note of what a driver declares from now on."""
        if self._digests.get(driver) == digest:
            return
        before = self._declared.get(driver, ())
        self._former[driver] = before
        # What had values yesterday has them still.
        self._stored |= {attribute.kind for attribute in before}
        self._digests[driver] = digest
        self._declared[driver] = tuple(_usable(schemas))
        self._index()

    def load(self, found: Declarations) -> None:
        """Take note of what the database holds."""
        self._stored |= {*found.kinds}
        for driver, digest in found.digests.items():
            if digest is not None:
                self.replace(driver, digest, [one for one in found.schemas if one.driver == driver])
        self._index()

    def _index(self) -> None:
        """Work out once what requests ask for."""
        self._by_kind: dict[Kind, Attributes] = {}
        self._by_driver: dict[tuple[str, Kind], Attributes] = {}
        for kind in Kind:
            own = {driver: _named(self._declared.get(driver, ()), kind) for driver in self._drivers}
            self._by_driver |= {(driver, kind): attributes for driver, attributes in own.items() if attributes}
            if full := {one.full_name: one for attributes in own.values() for one in attributes.values()}:
                self._by_kind[kind] = full
        self.kinds = self._stored | self._by_kind.keys()


def _named(attributes: Sequence[Attribute], kind: Kind) -> Attributes:
    return {attribute.name: attribute for attribute in attributes if attribute.kind is kind}


def _usable(schemas: Iterable[AttributeSchema]) -> Iterable[Attribute]:
    """Compile schemas; one that another release of the core has let in must not stop this one."""
    for declared in schemas:
        try:
            yield Attribute(declared)
        except Unusable as error:
            log.error("attribute.unusable", driver=declared.driver, attribute=declared.name, reason=str(error))
