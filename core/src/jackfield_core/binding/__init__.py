"""Which driver plugs a port into which segment, level by level."""
