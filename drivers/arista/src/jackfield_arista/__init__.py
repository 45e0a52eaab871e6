"""Jackfield mechanism driver for Arista EOS."""
