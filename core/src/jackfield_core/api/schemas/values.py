"""Single values of requests: liberal forms in, exact values out.

Clients send what Neutron has always taken: ``"true"`` and ``1`` for a boolean,
``"1400"`` for a number, a MAC address in upper case. Everything that does not
fit is refused with the name of its attribute. ``UNSET`` passes through, so that
the checks serve creations and updates alike.
"""

import ipaddress
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar, overload

from msgspec import UNSET, Meta, UnsetType

from jackfield_core.api.faults import bad_request
from jackfield_core.context import RequestContext
from jackfield_core.errors import Invalid
from jackfield_core.ipam import mac, pools
from jackfield_core.types import is_host_name

MAX_TEXT = 255
"""Characters of a name, description and the like."""

Text = Annotated[str, Meta(max_length=MAX_TEXT)]
Uuid = Annotated[str, Meta(pattern="^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\\Z")]
"""An id in the letters that a client likes; our own are lower-case."""
Flag = bool | int | str
Number = int | str

Checked = TypeVar("Checked")
Given = TypeVar("Given")

_FLAGS: dict[object, bool] = {"true": True, "1": True, "false": False, "0": False, 1: True, 0: False}


def refuse(name: str, reason: str) -> Invalid:
    """Return the error for an attribute whose value is wrong."""
    return bad_request(f"Invalid input for {name}. Reason: {reason}.")


def quoted(value: object) -> str:
    """Return *value* as messages show it, cut if it is long."""
    text = str(value)
    return f"'{text}'" if len(text) <= MAX_TEXT else f"'{text[:MAX_TEXT]}…'"


@overload
def flag(name: str, value: Flag) -> bool: ...
@overload
def flag(name: str, value: Flag | UnsetType) -> bool | UnsetType: ...
def flag(name: str, value: Flag | UnsetType) -> bool | UnsetType:
    """Read a boolean: a JSON one, 0 or 1, or their texts in any case."""
    if value is True or value is False or value is UNSET:
        return value
    found = _FLAGS.get(value.lower() if isinstance(value, str) else value)
    if found is None:
        raise refuse(name, f"{quoted(value)} cannot be converted to boolean")
    return found


def number(name: str, value: Number, largest: int) -> int:
    """Read a whole number from 0 to *largest*, or its text."""
    try:
        found = int(value)
    except ValueError:
        raise refuse(name, f"{quoted(value)} is not an integer") from None
    if not 0 <= found <= largest:
        raise refuse(name, f"{quoted(value)} is not in valid range 0 through {largest}")
    return found


def one_of(name: str, value: str, choices: Sequence[str]) -> str:
    """Read one of a few words."""
    if value not in choices:
        raise refuse(name, f"{quoted(value)} is not in {[*choices]}")
    return value


def host_name(name: str, value: str) -> str:
    """Read the name of a host, or an empty text for none: it has to fit between two slashes of a path."""
    if value and not is_host_name(value):
        raise refuse(name, f"{quoted(value)} is not the name of a host")
    return value


def mac_address(value: str, name: str = "mac_address") -> str:
    """Read a MAC address; return it in canonical form."""
    try:
        return mac.parse(value)
    except Invalid:
        raise refuse(name, f"{quoted(value)} is not a valid MAC address") from None


def ip_address(name: str, value: str) -> str:
    """Read an IP address; return it in canonical form."""
    try:
        return pools.parse_address(value, name)
    except Invalid:
        raise refuse(name, f"{quoted(value)} is not a valid IP address") from None


def cidr(name: str, value: str) -> str:
    """Read a block of addresses; return it in canonical form."""
    try:
        found = ipaddress.ip_network(value)
    except ValueError:
        raise refuse(name, f"{quoted(value)} is not a valid IP subnet") from None
    return str(found)


def each(items: Sequence[Given], read: Callable[[Given], Checked]) -> tuple[Checked, ...]:
    """Read every item of a list."""
    return tuple(read(item) for item in items)


def bounded(name: str, items: Sequence[Given], most: int, error_type: str = "InvalidInput") -> Sequence[Given]:
    """Return a list that is not too long.

    Raises:
        Invalid: It has more than *most* items; the error is of Neutron's type for that, if there is one.
    """
    if len(items) > most:
        raise Invalid(f"Invalid input for {name}. Reason: {len(items)} exceed the limit of {most}.", type=error_type)
    return items


def project(ctx: RequestContext, project_id: str | UnsetType, tenant_id: str | UnsetType) -> str:
    """Return the project of a new resource: the one that is named, or the caller's."""
    if project_id is not UNSET and tenant_id is not UNSET and project_id != tenant_id:
        raise bad_request("'project_id' and 'tenant_id' do not match")
    if project_id is not UNSET:
        return project_id
    if tenant_id is not UNSET:
        return tenant_id
    if len(ctx.project_id) > MAX_TEXT:
        raise refuse("X-Project-Id", f"it is longer than {MAX_TEXT} characters")
    return ctx.project_id
