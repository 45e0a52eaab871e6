"""Drivers to read and to run."""
