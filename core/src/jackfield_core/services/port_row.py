"""The row of a port that is to change: held while it still is as it was read, and written with its binding."""

from collections.abc import Sequence

import sqlalchemy.exc

from jackfield_core.db.attempts import Stale
from jackfield_core.db.port import Port
from jackfield_core.db.unit_of_work import Transaction
from jackfield_core.errors import NotFound
from jackfield_core.services import port_addresses
from jackfield_core.types import BindingLevel


async def expect(tx: Transaction, before: Port) -> None:
    """Keep the port from changing, if it still is as it was read.

    Raises:
        NotFound: The port is gone.
        Stale: The port has changed.
    """
    port = await tx.ports.find_for_update(before.id)
    if port is None:
        raise NotFound.of("port", before.id)
    # The revision counts what users change; what hosts report changes the rest.
    if port != before:
        raise Stale(port.id)


async def write(tx: Transaction, before: Port, after: Port, levels: Sequence[BindingLevel]) -> None:
    """Update the row of a port, and its binding if that is another one.

    Raises:
        Conflict: Another port of the network has the new MAC address, or has not let go of it on all devices.
    """
    if after.mac_address != before.mac_address:
        await port_addresses.exchange_mac(tx, before, after)
    try:
        await tx.ports.update(after)
    except sqlalchemy.exc.IntegrityError as error:
        if after.mac_address != before.mac_address:
            raise port_addresses.mac_in_use(after) from error
        raise
    if after.binding is not before.binding:
        await tx.ports.update_binding(after, levels)
        await tx.inactive_bindings.remove(after.id, after.binding.host)
