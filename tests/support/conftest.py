"""The fixtures under test."""

from support.postgres import postgres, postgres_database

__all__ = ["postgres", "postgres_database"]
