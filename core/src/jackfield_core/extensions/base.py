"""What an API extension is: a promise, under an alias that clients look for."""

from msgspec import Struct


class Extension(Struct, frozen=True, kw_only=True):
    """One promise; *updated* is the time of its definition, as Neutron gives it."""

    alias: str
    name: str
    description: str
    updated: str
    links: tuple[str, ...] = ()
