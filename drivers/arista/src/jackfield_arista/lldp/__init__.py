"""Where hosts are as LLDP tells it, kept over restarts and held against the inventory."""
