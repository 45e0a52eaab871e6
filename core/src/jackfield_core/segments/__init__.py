"""Type drivers: where a network's segments come from, and what fits through them."""
