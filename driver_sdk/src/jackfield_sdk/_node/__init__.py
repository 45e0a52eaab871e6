"""The running side of a node agent: `applier` keeps the host true, `stream` talks to the core."""
