"""Vendor attributes of networks, subnets and ports, as users give and see them.

A value is checked here, against the schema that this process keeps, so that the
driver need not even run. It is written by the service of its resource, in the
transaction of the change. For kinds of which no driver has declared an
attribute nothing here reads a byte or asks the database.
"""

from collections.abc import Collection, Mapping, Sequence

from msgspec import Raw

from jackfield_core.attributes.attribute import Attribute, Misfit
from jackfield_core.attributes.catalogue import Attributes, Catalogue
from jackfield_core.context import RequestContext
from jackfield_core.db.unit_of_work import Transaction, UnitOfWork
from jackfield_core.db.vendor_attribute import NO_VALUES, NOTHING, Values
from jackfield_core.errors import Invalid
from jackfield_core.types import Kind

Shown = Mapping[str, object]
"""Attributes by full name, as they are shown."""


class AttributeService:
    """What users can do with the vendor attributes of one kind of resource."""

    def __init__(self, unit_of_work: UnitOfWork, catalogue: Catalogue, kind: Kind) -> None:
        self._unit_of_work = unit_of_work
        self._catalogue = catalogue
        self._kind = kind

    def names(self, ctx: RequestContext) -> Collection[str]:
        """Return the full names that exist for the caller, such as ``fabric:colour``."""
        return self._visible(ctx)

    def settable(self, ctx: RequestContext, *, is_creation: bool) -> Collection[str]:
        """Return the full names that the caller may set when a resource is created, or changed."""
        visible = self._visible(ctx).items()
        return {name for name, one in visible if not one.is_read_only and (is_creation or one.is_mutable)}

    def read(self, given: Mapping[str, Raw]) -> Values:
        """Return what a request gives, by full name, as it is written.

        Raises:
            Invalid: A value does not fit its schema.
        """
        declared = self._catalogue.of_kind(self._kind)
        attributes = {name: declared[name] for name in given}
        return {(one.driver, one.name): _read(one, given[name]) for name, one in attributes.items()}

    async def shown(self, ctx: RequestContext, ids: Sequence[str], fields: Sequence[str] = ()) -> Mapping[str, Shown]:
        """Return what the caller sees of resources, by id; of *fields* only, if there are any."""
        visible = self._visible(ctx)
        if fields:
            visible = {name: visible[name] for name in fields if name in visible}
        if not visible or not ids:
            return {}
        async with self._unit_of_work.reading() as tables:
            found = await tables.vendor_attributes.list(self._kind, ids)
        return {id: _shown(visible, found.get(id, NO_VALUES)) for id in ids}

    def _visible(self, ctx: RequestContext) -> Attributes:
        attributes = self._catalogue.of_kind(self._kind)
        if ctx.is_admin or not attributes:
            return attributes
        return {name: one for name, one in attributes.items() if not one.is_operator_only}


async def differing(tx: Transaction, kind: Kind, id: str, given: Values) -> Values:
    """Return what of *given* is not what the resource has already."""
    if not given:
        return NO_VALUES
    held = (await tx.vendor_attributes.list(kind, [id])).get(id, NO_VALUES)
    return {name: value for name, value in given.items() if value != held.get(name, NOTHING)}


def _read(attribute: Attribute, given: Raw) -> bytes:
    try:
        return attribute.read(given)
    except Misfit as misfit:
        raise Invalid(f"Invalid input for {attribute.full_name}. Reason: {misfit}.", type="InvalidInput") from None


def _shown(visible: Attributes, values: Values) -> Shown:
    """Return every visible attribute; those without a value are null."""
    stored = {name: values.get((one.driver, one.name), NOTHING) for name, one in visible.items()}
    return {name: None if value == NOTHING else visible[name].shown(value) for name, value in stored.items()}
