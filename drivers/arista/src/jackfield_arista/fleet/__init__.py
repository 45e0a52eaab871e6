"""All switches, each with a worker that makes it true to all that is wanted of it."""
