"""Databases for whole core processes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.postgres import postgres, postgres_database

__all__ = ["postgres", "postgres_database"]


@pytest.fixture(params=["postgresql", "sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give one test an empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/jackfield.sqlite"
        return
    database: Any = request.getfixturevalue("postgres_database")
    yield database.url
