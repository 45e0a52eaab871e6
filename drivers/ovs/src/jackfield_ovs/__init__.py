"""Jackfield mechanism driver for Open vSwitch."""
