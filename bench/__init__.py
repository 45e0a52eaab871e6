"""The bench: what a request costs, in time and in CPU, and what it would cost without us."""
