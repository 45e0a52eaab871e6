"""What the core's networks and ports want of switches, from the inventory alone."""
