"""Attributes of vendors: what drivers declare, what values may be, and what of them is shown."""
