"""What drivers have declared, as this process knows it.

The database holds the schemas, so that values are checked and shown while a
driver is down; every process keeps them compiled. For a kind without schemas
there is nothing to do, and nothing is done: not a statement, not a loop.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

import structlog

from jackfield_core.attributes.attribute import Attribute
from jackfield_core.attributes.rules import Unusable
from jackfield_core.db.attribute_schema import AttributeSchema
from jackfield_core.types import Kind

log = structlog.get_logger()

Attributes = Mapping[str, Attribute]
"""Attributes by name."""

_NONE: Attributes = MappingProxyType({})


class Catalogue:
    """Attributes of the drivers called *drivers*, in their order."""

    def __init__(self, drivers: Sequence[str]) -> None:
        self._drivers = drivers
        self._declared: dict[str, Sequence[Attribute]] = {}
        self._digests: dict[str, bytes] = {}
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

    def replace(self, driver: str, digest: bytes, schemas: Iterable[AttributeSchema]) -> None:
        """Take note of what a driver declares from now on."""
        self._digests[driver] = digest
        # What had values yesterday has them still.
        self._stored |= {attribute.kind for attribute in self._declared.get(driver, ())}
        self._declared[driver] = tuple(_usable(schemas))
        self._index()

    def load(
        self, digests: Mapping[str, bytes], schemas: Mapping[str, Iterable[AttributeSchema]], stored: Iterable[str]
    ) -> None:
        """Take note of what the database holds: digests and schemas by driver, and kinds that have values."""
        self._digests = dict(digests)
        self._declared = {driver: tuple(_usable(declared)) for driver, declared in schemas.items()}
        self._stored |= {Kind(kind) for kind in stored}
        self._index()

    def _index(self) -> None:
        """Work out once what requests ask for."""
        by_kind: dict[Kind, dict[str, Attribute]] = {}
        by_driver: dict[tuple[str, Kind], dict[str, Attribute]] = {}
        for driver in self._drivers:
            for attribute in self._declared.get(driver, ()):
                by_kind.setdefault(attribute.kind, {})[attribute.full_name] = attribute
                by_driver.setdefault((driver, attribute.kind), {})[attribute.name] = attribute
        self._by_kind: Mapping[Kind, Attributes] = by_kind
        self._by_driver: Mapping[tuple[str, Kind], Attributes] = by_driver
        self.kinds = self._stored | by_kind.keys()


def _usable(schemas: Iterable[AttributeSchema]) -> Iterable[Attribute]:
    """Compile schemas; one that another release of the core has let in must not stop this one."""
    for declared in schemas:
        try:
            yield Attribute(declared)
        except Unusable as error:
            log.error("attribute.unusable", driver=declared.driver, attribute=declared.name, reason=str(error))
