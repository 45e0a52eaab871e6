"""Run migrations on the connection that ``migrate.py`` hands over, inside its transaction."""

from alembic import context
from jackfield_core.db.base import metadata

context.configure(
    connection=context.config.attributes["connection"],
    # Names of constraints and indexes that a migration leaves out follow from these.
    target_metadata=metadata,
    # SQLite alters few things in place; for the others Alembic copies the table.
    render_as_batch=True,
)

with context.begin_transaction():
    context.run_migrations()
