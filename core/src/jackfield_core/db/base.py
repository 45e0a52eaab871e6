"""What all tables share: metadata, column types, and the clock.

Both databases store the same thing: ids as text, times as UTC without a zone,
structured columns as JSON text that msgspec decodes straight into values.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import types as sa_types
from sqlalchemy.engine import Dialect

from jackfield_core.db.clock import CLOCK

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = sa.String(36)
Name = sa.String(255)

_encode = msgspec.json.Encoder().encode


class Json(sa_types.TypeDecorator[Any]):
    """A column of JSON text that is decoded into *type*, such as ``tuple[FixedIp, ...]``."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, type: Any) -> None:
        super().__init__()
        self.type = type
        self._decoder = msgspec.json.Decoder(type)

    @property
    def _static_cache_key(self) -> Any:
        return (Json, repr(self.type))

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str | None]:
        return lambda value: None if value is None else _encode(value).decode()

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        decode = self._decoder.decode
        return lambda text: None if text is None else decode(text)


def now() -> datetime:
    """Return the time of the database in UTC, without a zone, as the tables store it."""
    return CLOCK.now()
