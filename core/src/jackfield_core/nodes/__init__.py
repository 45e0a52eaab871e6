"""The node service: what each host has to carry, streamed to the agents that dial in."""
