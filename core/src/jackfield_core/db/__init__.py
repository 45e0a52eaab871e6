"""The database: one file per resource, and the unit of work that ties them together."""
