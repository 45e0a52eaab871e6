"""Jackfield mechanism driver for Linux bridge."""
