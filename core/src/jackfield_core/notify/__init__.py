"""Notifiers: compute services hear what became of their servers' ports, sooner or later and for certain."""
